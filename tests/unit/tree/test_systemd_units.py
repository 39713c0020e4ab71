"""The units and what stands beside them, asked of systemd itself."""

import os
import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from sensorpi.mesos_node.daemons.systemd_units import MAKERS_UNITS

ROOT = Path(__file__).parents[3]
UNITS = sorted((ROOT / "systemd/system").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
DAEMONS = [unit for unit in SERVICES if "RemainAfterExit" not in unit.read_text()]
TARGETS = [unit for unit in UNITS if unit.suffix == ".target"]
#: A JVM makes its code at run time, so it needs one right more; who mounts for all has the machine's own file system.
#: In tenths, as systemd-analyze takes it.
JVM, MOUNTS, OTHERS = 25, 45, 20
#: What it may not, its tasks may not either.
AGENT = "sensorpi-mesos-agent.service"
MOUNT = "sensorpi-checkpoint-mount.service"


def settings(unit: Path) -> ConfigParser:
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    return parser


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with our units, systemd's own, and stand-ins for the programs that ours start."""
    units = tmp_path / "usr/lib/systemd/system"
    shutil.copytree("/lib/systemd/system", units, symlinks=True, ignore_dangling_symlinks=True)
    for unit in UNITS:
        shutil.copy(unit, units)
        for program in re.findall(r"^Exec\w+=(\S+)", unit.read_text(), re.MULTILINE):
            stand_in = tmp_path / program.removeprefix("/")
            stand_in.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy("/bin/true", stand_in)
    return tmp_path


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_no_fault_in_a_unit(root: Path, unit: Path) -> None:
    command = ["systemd-analyze", "verify", f"--root={root}", "--man=no", "--recursive-errors=no", unit.name]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", [unit for unit in SERVICES if unit.name != AGENT], ids=lambda unit: unit.name)
def test_a_service_has_few_rights(unit: Path) -> None:
    most = JVM if re.search("kafka|spark|pipeline|zookeeper", unit.name) else MOUNTS if unit.name == MOUNT else OTHERS
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={most}", "--no-pager", str(unit)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("name", ["sensorpi-kafka.service", "sensorpi-sensor.service"])
def test_who_waits_for_a_synchronised_clock_may_ask_the_kernel(name: str) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(ROOT / "systemd/system" / name)]
    assert "adjtimex is allowed" in subprocess.run(command, capture_output=True, text=True).stdout
    assert "ProtectClock" not in settings(ROOT / "systemd/system" / name)["Service"]


@pytest.mark.parametrize("unit", DAEMONS, ids=lambda unit: unit.name)
def test_a_daemon_is_restarted_for_ever_and_waits_for_no_network(unit: Path) -> None:
    parsed = settings(unit)
    assert parsed["Unit"]["StartLimitIntervalSec"] == "0"
    assert "network-online.target" in parsed["Unit"]["Wants"].split()
    assert "Requires" not in parsed["Unit"]
    assert parsed["Service"]["Restart"] == "always"
    assert "WatchdogSec" in parsed["Service"]


@pytest.mark.parametrize("unit", [unit for unit in SERVICES if unit not in DAEMONS], ids=lambda unit: unit.name)
def test_what_ends_by_itself_counts_as_running_afterwards(unit: Path) -> None:
    service = settings(unit)["Service"]
    assert (service["Type"], service["RemainAfterExit"]) == ("notify" if unit.name == MOUNT else "oneshot", "yes")


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_services_user_is_made_by_its_package(unit: Path) -> None:
    service = settings(unit)["Service"]
    if "User" not in service:
        assert "Root" in unit.read_text()  # and says why
        return
    files = [ROOT / "systemd/sysusers.d" / f"{package}.conf" for package in (package_of(unit), "sensorpi-common")]
    lines = [line.split() for file in files for line in file.read_text().splitlines() if line and line[0] != "#"]
    made = {(kind, name) for kind, name, *_ in lines}
    assert ("u", service["User"]) in made
    assert {("g", group) for group in service.get("SupplementaryGroups", "").split()} <= made


def package_of(unit: Path) -> str:
    """The package that installs the unit where Debian 12 enables it."""
    line = f"systemd/system/{unit.name} lib/systemd/system/"
    [package] = [file.stem for file in (ROOT / "debian").glob("*.install") if line in file.read_text().splitlines()]
    return package


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_one_package_installs_a_unit(unit: Path) -> None:
    assert package_of(unit).startswith("sensorpi-")


@pytest.mark.parametrize("unit", TARGETS, ids=lambda unit: unit.name)
def test_a_target_acts_on_the_services_of_its_package_and_on_nothing_else(unit: Path) -> None:
    wanted = re.findall(r"^Wants=(sensorpi-\S+\.service)", unit.read_text(), re.MULTILINE)
    wanted = [service for service in wanted if service != MOUNT]  # which two roles share
    shipped = [service.name for service in SERVICES if package_of(service) == package_of(unit)]
    assert sorted(wanted) == sorted(shipped)
    for service in SERVICES:
        if service.name in wanted:
            parsed = settings(service)
            assert unit.name in parsed["Unit"]["PartOf"].split()
            assert parsed["Install"]["WantedBy"] == unit.name


@pytest.mark.parametrize(
    ("engine", "names"),
    [
        ("standalone", ["sensorpi-kafka", "sensorpi-spark-job", "sensorpi-spark-master", "sensorpi-spark-worker"]),
        ("mesos", ["sensorpi-mesos-agent", "sensorpi-mesos-master", "sensorpi-scheduler", "sensorpi-zookeeper"]),
    ],
)
def test_a_unit_of_one_engine_is_held_back_under_the_other(engine: str, names: list[str]) -> None:
    held = [
        unit.stem for unit in SERVICES if f"ConditionPathExists=/run/sensorpi/engine-{engine}\n" in unit.read_text()
    ]
    assert held == names


def test_tasks_outlive_their_agent_and_end_before_the_other_engine_starts() -> None:
    assert settings(ROOT / "systemd/system" / AGENT)["Service"]["KillMode"] == "process"
    for name in ("kafka", "spark-job", "spark-master", "spark-worker"):
        assert f"\nAfter={AGENT}\n" in (ROOT / f"systemd/system/sensorpi-{name}.service").read_text()


def test_no_boot_waits_for_the_checkpoint_share() -> None:
    """A mount unit that waits has all of remote-fs.target wait, and with it logins and brokers."""
    assert not [unit.name for unit in UNITS if unit.suffix == ".mount"]
    assert MOUNT not in (ROOT / "systemd/system/sensorpi-kafka.service").read_text()


def test_units_of_other_packages_on_our_ports_are_held_back() -> None:
    links = (ROOT / "debian/sensorpi-mesos-node.links").read_text().splitlines()
    drop_ins = {f"lib/systemd/system/{unit}.d/sensorpi.conf" for units in MAKERS_UNITS.values() for unit in units}
    assert {link.split()[1] for link in links} == drop_ins


@pytest.mark.parametrize("directory", ["sysusers.d", "tmpfiles.d"])
def test_systemd_takes_the_users_and_directories(tmp_path: Path, directory: str) -> None:
    program = {"sysusers.d": "systemd-sysusers", "tmpfiles.d": "systemd-tmpfiles"}[directory]
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text("root:x:0:\nsensorpi:x:990:\n")
    (tmp_path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    options = ["--create"] if program == "systemd-tmpfiles" else []
    if program == "systemd-tmpfiles":  # it gives files to users, and those are made first
        for file in sorted((ROOT / "systemd/sysusers.d").iterdir()):
            subprocess.run(["systemd-sysusers", f"--root={tmp_path}", str(file)], check=True, capture_output=True)
    for file in sorted((ROOT / "systemd" / directory).iterdir()):
        command = [program, f"--root={tmp_path}", *options, str(file)]
        result = subprocess.run(command, capture_output=True, text=True)
        # Only root can give files away (73, EX_CANTCREAT); a mistake in the file is another status.
        assert result.returncode == 0 or (os.geteuid() != 0 and result.returncode == 73), result.stderr


def test_the_example_file_ships_for_the_first_configuration() -> None:
    assert "cluster.toml usr/share/sensorpi/" in (ROOT / "debian/sensorpi-common.install").read_text()
    assert "/usr/share/sensorpi/cluster.toml" in (ROOT / "debian/sensorpi-common.postinst").read_text()
