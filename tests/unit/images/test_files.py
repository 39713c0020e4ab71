"""What an image has beside Debian's packages: units, network files and the script that sets the card up."""

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from images import base, role_root, tree
from images.layout import blocks
from sensorpi.common.cluster.model import Node

FILES = base.FILES
CARD = FILES / "card/usr/lib/sensorpi_card"
UNITS = FILES / "card/etc/systemd/system"


@pytest.fixture(scope="module")
def set_up() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("set_up", CARD / "set_up.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("address", "line"), [("10.0.0.21", "Address=10.0.0.21/24"), ("fd00::15", "Address=fd00::15/64")]
)
def test_a_node_has_its_address_on_each_of_its_networks(set_up: ModuleType, address: str, line: str) -> None:
    files = set_up.network_files(Node("worker01", address, ("mesos-worker",)))
    assert set(files) == {"20-wired.network.d/address.conf", "30-wifi.network.d/address.conf"}
    assert all(text == f"[Network]\n{line}\n" for text in files.values())
    for name in files:  # a drop-in for a file that is there
        assert (FILES / "card/etc/systemd/network" / name.split(".d/")[0]).is_file()


def test_a_node_that_is_found_by_name_has_the_address_that_it_is_given(set_up: ModuleType) -> None:
    assert set_up.network_files(Node("worker01", "worker01.local", ("mesos-worker",))) == {}


def test_every_link_to_a_unit_leads_to_one_and_every_program_is_there() -> None:
    links = [path for path in UNITS.rglob("*") if path.is_symlink()]
    assert len(links) == 3
    for link in links:
        assert link.resolve().is_file(), link
    for unit in UNITS.glob("*.service"):
        for word in unit.read_text().split():
            if word.startswith(("ExecStart=/usr/lib/sensorpi_card", "/usr/lib/sensorpi_card")):
                assert (FILES / "card" / word.removeprefix("ExecStart=").lstrip("/")).is_file(), word


def test_units_say_nothing_that_systemd_does_not_know(tmp_path: Path) -> None:
    for unit in UNITS.glob("sensorpi-*.service"):
        text = "\n".join(
            "ExecStart=/bin/true" if line.startswith("ExecStart=") else line for line in unit.read_text().splitlines()
        )
        (tmp_path / unit.name).write_text(text)
        verified = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", tmp_path / unit.name], capture_output=True, text=True
        )
        assert unit.name not in verified.stderr


def test_the_watchdog_is_within_what_the_boards_have() -> None:
    text = (FILES / "card/etc/systemd/system.conf.d/watchdog.conf").read_text()
    assert int(text.partition("RuntimeWatchdogSec=")[2].partition("s")[0]) <= 15


def test_reading_does_not_write_and_the_boot_partition_is_roots() -> None:
    root, firmware = role_root._FSTAB.splitlines()
    assert "noatime" in root
    assert "noatime" in firmware
    assert "umask=0077" in firmware


def test_nothing_of_the_build_stays_and_nothing_is_younger_than_the_epoch(tmp_path: Path) -> None:
    left = ["etc/passwd-", "etc/ssh/ssh_host_rsa_key", "var/log/dpkg.log", "var/lib/apt/lists/x/y", "run/lock/z"]
    for name in ["etc/passwd", "etc/ssh/sshd_config", *left]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (tmp_path / "etc/mtab").symlink_to("/proc/mounts")
    tree.remove_traces(tmp_path)
    tree.clamp_times(tmp_path, 1_000_000)
    assert [name for name in left if (tmp_path / name).exists()] == []
    assert (tmp_path / "etc/passwd").exists()
    assert (tmp_path / "etc/machine-id").read_text() == ""
    assert max(found.st_mtime for _, found in tree.entries(tmp_path)) == 1_000_000


def test_files_with_two_names_are_measured_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(5000))
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert tree.measure(tmp_path) == (8192 + blocks(tmp_path.lstat().st_size), 2)
