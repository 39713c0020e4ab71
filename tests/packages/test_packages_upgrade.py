"""An upgrade to the next release, of a machine with all four roles: ours first, then the jars.

The machine starts with the packages in dist/, or with the .debs of an earlier release in the folder $SENSORPI_OLD_DEBS.
It is also a card that `make image` built while images still had units of their own.
"""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.packages.conftest import NewMachine
from tests.packages.machine import Machine, run, wait_for
from tests.packages.newer import ROOT, VERSION, newer_repository
from tests.packages.test_packages_together import (
    EMULATED,
    PACKAGES,
    SERVICES,
    START_S,
    TARGETS,
    count,
    main_pids,
)  # fmt: skip

pytestmark = pytest.mark.timeout(1800)

OURS = ["sensorpi-common", "sensorpi-mesos-node", "sensorpi-pipeline", *PACKAGES]
PYTHON = {"sensorpi-sensor.service"}
#: Each JVM's service -> the package with its jars.
JVMS = {"sensorpi-kafka.service": "sensorpi-kafka", "sensorpi-spark-job.service": "sensorpi-spark"}
STOPPED = "sensorpi-dashboard.service"

#: What an administrator changed.
EDITS = {
    "/etc/systemd/system/sensorpi-kafka.service.d/nice.conf": "[Service]\nNice=1\n",
    "/etc/grafana/provisioning/datasources/sensorpi.yaml": "# nothing of theirs\n",
}

#: The units of a card of release 0.1.0, and their programs.
CARD = Path(__file__).with_name("card_0.1.0")
#: What the administrator of the card changed: one unit has other contents, another is disabled.
EDITED, DISABLED = "sensorpi-card-keys.service", "local-fs.target.wants/sensorpi-card-grow.service"


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return newer_repository(tmp_path_factory.mktemp("newer"))


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """A repository of the earlier release that is to be upgraded."""
    debs = os.environ.get("SENSORPI_OLD_DEBS")
    if debs is None:
        return None
    repository = tmp_path_factory.mktemp("older") / "repository"
    run("env", "-C", ROOT, "third_party/make-repo", debs, repository)
    return repository


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def machine(request: pytest.FixtureRequest, new_machine: NewMachine, newer: Path, older: Path | None) -> Machine:
    """A machine of that suite with the present release, and with the next one in its repository."""
    machine = new_machine(request.param)
    drop_in = machine.root / "etc/systemd/system/sensorpi-sensor.service.d"
    drop_in.mkdir(parents=True)
    (drop_in / "emulated.conf").write_text(EMULATED)
    if older is not None:
        install_from(machine, older)
    machine.install(*PACKAGES)
    machine.wait_active(*TARGETS, *SERVICES, limit_s=START_S)
    wait_for("a reading in InfluxDB", lambda: count(machine) >= 3, START_S)
    for name, text in EDITS.items():
        file = machine.root / name.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    make_card(machine)
    install_from(machine, newer)
    return machine


def install_from(machine: Machine, repository: Path) -> None:
    """Put a copy of a repository on the machine, in the place of the one that it has."""
    place = f"/srv/{repository.parent.name}"
    shutil.copytree(repository, machine.root / place.removeprefix("/"))
    sources = "/etc/apt/sources.list.d/sensorpi.list"
    machine.do("sed", "-i", f"s|file:[^ ]*|file:{place}|", sources)
    machine.do(
        "apt-get", "-q", "update", "-o", "APT::Get::List-Cleanup=false", "-o", f"Dir::Etc::SourceList={sources}",
        "-o", "Dir::Etc::SourceParts=/dev/null",
    )  # fmt: skip


def make_card(machine: Machine) -> None:
    """Give the machine what a card of release 0.1.0 has, as its administrator left it."""
    shutil.copytree(CARD, machine.root, symlinks=True, dirs_exist_ok=True)
    program = machine.root / "usr/lib/sensorpi_card/set_up"
    program.rename(program.with_suffix(".py"))
    with (machine.root / "etc/systemd/system" / EDITED).open("a") as unit:
        unit.write("Nice=5\n")
    (machine.root / "etc/systemd/system" / DISABLED).unlink()
    machine.do("systemctl", "daemon-reload")
    assert machine.do("systemctl", "is-enabled", "sensorpi-card.service").strip() == "enabled"


def version(machine: Machine, package: str) -> str:
    return machine.do("dpkg-query", "-W", "-f", "${Version}", package)


def test_an_upgrade_of_ours_restarts_only_python(machine: Machine, older: Path | None) -> None:
    """From an earlier release, the job may have other settings or need other jars. The broker goes on even then."""
    machine.do("systemctl", "stop", STOPPED)
    before = main_pids(machine)
    command = ["apt-get", "install", "-y", "--only-upgrade", "--no-install-recommends", *OURS]
    files = re.findall(r"^'file:\S+ ([^_ ]+)\S* (\d+)", machine.do(*command, "--print-uris"), re.MULTILINE)
    sizes = [int(size) for name, size in files if name not in JVMS.values()]
    assert len(sizes) == len(OURS)
    assert sum(sizes) < 2_000_000
    output = machine.do(*command)
    assert {version(machine, package) for package in OURS} == {VERSION}
    wait_for("the restart", lambda: all(main_pids(machine)[unit] not in ("0", before[unit]) for unit in PYTHON))
    after = main_pids(machine)
    restarted = {unit for unit in before if before[unit] != after[unit]}
    if older is None:
        assert restarted == PYTHON
        assert machine.state(STOPPED) == "inactive"
    else:
        assert "sensorpi-kafka.service" not in restarted
    assert machine.failed() == ""
    [line] = [line for line in output.splitlines() if line.startswith("sensorpi-common:")]
    assert f"{EDITED} was edited here: kept as " in line


def test_a_cards_own_units_are_replaced(machine: Machine) -> None:
    """Those in /etc would take precedence over the package's."""
    left = machine.shell("find /etc/systemd /usr/lib/sensorpi_card -name '*sensorpi?card*' 2>/dev/null || true").split()
    assert left == [f"/etc/systemd/system/{EDITED}.dpkg-old"]
    assert "Nice=5" in machine.do("cat", *left)
    states = {
        name: machine.try_("systemctl", "is-enabled", f"card-{name}.service").stdout.strip()
        for name in ("setup", "ssh-keys", "grow")
    }
    assert states == {"setup": "enabled", "ssh-keys": "enabled", "grow": "disabled"}
    shown = machine.do("systemctl", "show", "-p", "FragmentPath,DropInPaths", "card-setup.service").split()
    assert shown in (
        ["FragmentPath=/lib/systemd/system/card-setup.service", "DropInPaths="],
        ["FragmentPath=/usr/lib/systemd/system/card-setup.service", "DropInPaths="],
    )
    machine.do("/usr/lib/sensorpi/card-setup")


def test_a_machine_with_the_example_stays_its_own_cluster(machine: Machine) -> None:
    assert "next release" in machine.do("cat", "/etc/sensorpi/cluster.toml")
    assert machine.do("ls", "-A", "/etc/sensorpi").split() == ["cluster.key", "cluster.toml"]
    assert "waiting" not in machine.try_("sensorpi", "status").stdout


def test_edits_and_data_survive_it(machine: Machine) -> None:
    for name, text in EDITS.items():
        assert machine.do("cat", name) == text
    before = count(machine)
    assert before >= 3
    wait_for("a reading after the upgrade", lambda: count(machine) > before, START_S)


def test_an_upgrade_of_the_jars_restarts_the_jvms_with_them(machine: Machine) -> None:
    machine.do("systemctl", "stop", STOPPED)
    before = main_pids(machine)
    jvms = {unit for unit, package in JVMS.items() if not version(machine, package).endswith("+1")}
    machine.do("apt-get", "upgrade", "-y", "--no-install-recommends")
    assert version(machine, "sensorpi-kafka").endswith("+1")
    assert version(machine, "sensorpi-spark").endswith("+1")
    wait_for("the restart", lambda: all(main_pids(machine)[unit] not in ("0", before[unit]) for unit in jvms), START_S)
    machine.wait_active(*JVMS, limit_s=START_S)
    after = main_pids(machine)
    assert {unit for unit in before if before[unit] != after[unit]} == jvms
    assert machine.state(STOPPED) == "inactive"
    stored = count(machine)
    wait_for("a reading after the upgrade", lambda: count(machine) > stored, START_S)


def test_a_stopped_jvm_is_not_started_by_new_jars(machine: Machine) -> None:
    machine.do("systemctl", "stop", *JVMS)
    machine.install("--reinstall", "sensorpi-kafka", "sensorpi-spark")
    assert {machine.state(unit) for unit in JVMS} == {"inactive"}
    assert machine.failed() == ""
    assert machine.do("dpkg", "--verify").splitlines() == [
        "??5?????? c /etc/grafana/provisioning/datasources/sensorpi.yaml"
    ]
