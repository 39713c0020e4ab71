"""The units, their drop-ins and the files beside them, checked by systemd itself."""

import json
import os
import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from images import role_root
from sensorpi.common.card import first_boot
from sensorpi.mesos_node.daemons.systemd_units import MAKERS_UNITS

ROOT = Path(__file__).parents[3]
SYSTEM = ROOT / "systemd/system"
UNITS = sorted(unit for unit in SYSTEM.iterdir() if unit.is_file())
TARGETS = [unit for unit in UNITS if unit.suffix == ".target"]
#: They run once at each boot of a card of our own images, as root with all rights.
OF_CARDS = [unit for unit in UNITS if unit.name.startswith("card-")]
SERVICES = [unit for unit in UNITS if unit.suffix == ".service" and unit not in OF_CARDS]
DAEMONS = [unit for unit in SERVICES if "RemainAfterExit" not in unit.read_text()]
#: The most exposure, in tenths, as systemd-analyze takes it. A JVM needs one right more: it makes its code at run time.
JVM, OTHERS = 25, 20
#: Its restrictions would be those of its tasks as well.
AGENT = "sensorpi-mesos-agent.service"
MOUNT = "sensorpi-checkpoint-mount.service"

PREFIX = "sensorpi-.service.d"
HARDENING = "50-hardening.conf"
#: The names that the prefix's drop-in reaches. Every new service belongs in this list, or needs another name.
HARDENED = {
    "sensorpi-checkpoint-export.service", "sensorpi-checkpoint-mount.service", "sensorpi-config.service",
    "sensorpi-dashboard.service", "sensorpi-influxdb-setup.service", "sensorpi-influxdb-watch.service",
    "sensorpi-kafka-topics.service", "sensorpi-kafka.service", "sensorpi-mesos-agent.service",
    "sensorpi-mesos-master.service", "sensorpi-scheduler.service", "sensorpi-sensor.service",
    "sensorpi-spark-job.service", "sensorpi-spark-master.service", "sensorpi-spark-worker.service",
    "sensorpi-zookeeper.service",
}  # fmt: skip
#: What is given back to a service, by drop-ins that sort after the prefix's.
EXCEPTIONS = {
    "sensorpi-checkpoint-export.service.d/60-nfs.conf", "sensorpi-config.service.d/60-owner.conf",
    "sensorpi-influxdb-setup.service.d/60-databases.conf", "sensorpi-kafka.service.d/60-clock.conf",
    "sensorpi-kafka.service.d/60-jvm.conf", "sensorpi-mesos-agent.service.d/60-tasks.conf",
    "sensorpi-mesos-master.service.d/60-setpriv.conf", "sensorpi-sensor.service.d/60-clock.conf",
    "sensorpi-sensor.service.d/60-devices.conf", "sensorpi-spark-.service.d/60-jvm.conf",
    "sensorpi-zookeeper.service.d/60-jvm.conf",
}  # fmt: skip
#: Users that packages make which a package of ours depends on.
USERS_OF_OTHERS = {"sensorpi-influx-grafana": {("u", "influxdb")}}
#: A unit on cards that an earlier release's `sensorpi card` prepared. It runs apt.
FORMER = "sensorpi-install.service"


def settings(unit: Path) -> ConfigParser:
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    return parser


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine with our units, systemd's own, and stand-ins for the programs that ours start."""
    top = tmp_path_factory.mktemp("root")
    units = top / "usr/lib/systemd/system"
    shutil.copytree("/lib/systemd/system", units, symlinks=True, ignore_dangling_symlinks=True)
    shutil.copytree(SYSTEM, units, symlinks=True, dirs_exist_ok=True)
    (units / FORMER).write_text("[Service]\nExecStart=/usr/bin/true\n")
    for unit in [*UNITS, units / FORMER]:
        for program in re.findall(r"^Exec\w+=(\S+)", unit.read_text(), re.MULTILINE):
            stand_in = top / program.removeprefix("/")
            stand_in.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy("/bin/true", stand_in)
    return top


def analyze(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["systemd-analyze", "--no-pager", *words], capture_output=True, text=True)


def allowed(root: Path, unit: str) -> set[str]:
    """What the unit may do with all its drop-ins: the settings that systemd-analyze finds too lax."""
    result = analyze("security", "--offline=true", f"--root={root}", "--json=short", unit)
    return {each["json_field"] for each in json.loads(result.stdout) if each["set"] is False}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_no_fault_in_a_unit(root: Path, unit: Path) -> None:
    result = analyze("verify", f"--root={root}", "--man=no", "--recursive-errors=no", unit.name)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("name", sorted(HARDENED - {AGENT}))
def test_a_service_has_few_rights(root: Path, name: str) -> None:
    most = JVM if re.search("kafka|spark|pipeline|zookeeper", name) else OTHERS
    result = analyze("security", "--offline=true", f"--root={root}", f"--threshold={most}", name)
    assert result.returncode == 0, result.stdout


def test_the_prefix_reaches_these_services_and_no_other() -> None:
    assert {unit.name for unit in SERVICES} == HARDENED
    assert not first_boot.SERVICE.startswith("sensorpi-")
    shipped = [
        path for part in ("debian", "images", "third_party", "packages") for path in (ROOT / part).rglob("*.service")
    ]
    assert [path.name for path in shipped if path.name.startswith("sensorpi-")] == []


def test_each_exception_sorts_after_the_prefixs_drop_in() -> None:
    drop_ins = {str(path.relative_to(SYSTEM)) for path in SYSTEM.glob("*.d/*")}
    assert drop_ins == {f"{PREFIX}/{HARDENING}", f"{FORMER}.d/{HARDENING}", *EXCEPTIONS}
    assert {Path(name).name for name in EXCEPTIONS if Path(name).name <= HARDENING} == set()


@pytest.mark.parametrize("name", sorted(HARDENED))
def test_no_unit_repeats_what_the_prefix_sets(name: str) -> None:
    repeated = set(settings(SYSTEM / PREFIX / HARDENING)["Service"]) & set(settings(SYSTEM / name)["Service"])
    assert repeated <= {"Environment"}  # systemd adds the variables up
    assert "PYTHONDONTWRITEBYTECODE" not in (SYSTEM / name).read_text(encoding="utf-8")


def test_apt_on_cards_of_earlier_releases_is_not_restricted(root: Path) -> None:
    assert {"ProtectSystem", "SystemCallFilter_privileged", "CapabilityBoundingSet_CAP_SYS_ADMIN"} <= allowed(
        root, FORMER
    )


@pytest.mark.parametrize("name", sorted(HARDENED - {AGENT}))
def test_only_a_jvm_makes_code_at_run_time(root: Path, name: str) -> None:
    is_jvm = name.startswith("sensorpi-spark-") or name in ("sensorpi-kafka.service", "sensorpi-zookeeper.service")
    assert ("MemoryDenyWriteExecute" in allowed(root, name)) == is_jvm


@pytest.mark.parametrize("name", sorted(HARDENED - {AGENT}))
def test_only_two_services_may_ask_about_the_clock(root: Path, name: str) -> None:
    """Without ProtectClock=, but also without CAP_SYS_TIME, which setting it needs."""
    may = {"ProtectClock", "SystemCallFilter_clock"} <= allowed(root, name)
    assert may == (name in ("sensorpi-kafka.service", "sensorpi-sensor.service"))
    assert "CapabilityBoundingSet_CAP_SYS_TIME" not in allowed(root, name)


def test_the_agent_takes_little_from_its_tasks(root: Path) -> None:
    assert {"CapabilityBoundingSet_CAP_SYS_ADMIN", "PrivateTmp", "SystemCallFilter_mount"} <= allowed(root, AGENT)
    assert not {"NoNewPrivileges", "ProtectHome", "ProtectKernelModules"} & allowed(root, AGENT)


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


@pytest.mark.parametrize("unit", OF_CARDS, ids=lambda unit: unit.name)
def test_only_an_image_enables_the_units_of_cards(unit: Path) -> None:
    assert settings(unit)["Service"]["Type"] == "oneshot"
    assert unit.name in role_root._ENABLED
    assert unit.name in (ROOT / "debian/rules").read_text()
    assert "\ndisable card-*.service\n" in (ROOT / "systemd/preset/sensorpi.preset").read_text()
    assert package_of(unit) == "sensorpi-common"


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_services_user_is_made_by_its_package(unit: Path) -> None:
    service = settings(unit)["Service"]
    if "User" not in service:
        assert "Root" in unit.read_text()  # and says why
        return
    files = [ROOT / "systemd/sysusers.d" / f"{package}.conf" for package in (package_of(unit), "sensorpi-common")]
    lines = [line.split() for file in files for line in file.read_text().splitlines() if line and line[0] != "#"]
    made = {(kind, name) for kind, name, *_ in lines} | USERS_OF_OTHERS.get(package_of(unit), set())
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
def test_a_target_acts_only_on_the_services_of_its_package(unit: Path) -> None:
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


def test_tasks_outlive_their_agent_but_not_the_engine() -> None:
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
