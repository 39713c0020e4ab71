"""The units and what stands beside them, asked of systemd itself."""

import os
import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "systemd/system").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]


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
        for program in re.findall(r"^ExecStart=(\S+)", unit.read_text(), re.MULTILINE):
            stand_in = tmp_path / program.removeprefix("/")
            stand_in.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy("/bin/true", stand_in)
    return tmp_path


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_no_fault_in_a_unit(root: Path, unit: Path) -> None:
    command = ["systemd-analyze", "verify", f"--root={root}", "--man=no", "--recursive-errors=no", unit.name]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_has_few_rights(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(unit)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_is_restarted_for_ever_and_waits_for_no_network(unit: Path) -> None:
    parsed = settings(unit)
    assert parsed["Unit"]["StartLimitIntervalSec"] == "0"
    assert parsed["Unit"]["Wants"] == "network-online.target"
    assert "Requires" not in parsed["Unit"]
    assert parsed["Service"]["Restart"] == "always"
    assert parsed["Service"]["Type"] == "notify"
    assert "WatchdogSec" in parsed["Service"]


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_services_user_is_made_by_its_package(unit: Path) -> None:
    service = settings(unit)["Service"]
    lines = (ROOT / "systemd/sysusers.d" / f"{unit.stem}.conf").read_text().splitlines()
    made = {(kind, name) for kind, name, *_ in (line.split() for line in lines if line and line[0] != "#")}
    assert ("u", service["User"]) in made
    assert {("g", group) for group in service["SupplementaryGroups"].split()} <= made


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_installed_where_debian_12_enables_it(unit: Path) -> None:
    package = unit.stem
    lines = (ROOT / f"debian/{package}.install").read_text().splitlines()
    assert f"systemd/system/{unit.name} lib/systemd/system/" in lines


@pytest.mark.parametrize("directory", ["sysusers.d", "tmpfiles.d"])
def test_systemd_takes_the_users_and_directories(tmp_path: Path, directory: str) -> None:
    program = {"sysusers.d": "systemd-sysusers", "tmpfiles.d": "systemd-tmpfiles"}[directory]
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text("root:x:0:\nsensorpi:x:990:\n")
    (tmp_path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    options = ["--create"] if program == "systemd-tmpfiles" else []
    for file in sorted((ROOT / "systemd" / directory).iterdir()):
        command = [program, f"--root={tmp_path}", *options, str(file)]
        result = subprocess.run(command, capture_output=True, text=True)
        # Only root can give files away (73, EX_CANTCREAT); a mistake in the file is another status.
        assert result.returncode == 0 or (os.geteuid() != 0 and result.returncode == 73), result.stderr


def test_the_example_file_ships_for_the_first_configuration() -> None:
    assert "cluster.toml usr/share/sensorpi/" in (ROOT / "debian/sensorpi-common.install").read_text()
    assert "/usr/share/sensorpi/cluster.toml" in (ROOT / "debian/sensorpi-common.postinst").read_text()
