"""What an image has beside the packages: settings of the network, the journal, the watchdog and the like."""

from pathlib import Path

from images import base, role_root, tree
from images.layout import blocks
from sensorpi.common.card.boot import network_files
from sensorpi.common.cluster.model import Node

FILES = base.FILES


def test_the_networks_that_get_the_nodes_address_are_the_images() -> None:
    for name in network_files(Node("worker01", "10.0.0.21", ("mesos-worker",))):
        assert (FILES / "card/etc/systemd/network" / name.split(".d/")[0]).is_file()


def test_an_image_brings_no_unit_of_its_own() -> None:
    """Such a unit would take precedence over those of the packages, and no upgrade would reach it."""
    assert not list(FILES.glob("*/etc/systemd/system/*.service"))
    assert not list(FILES.glob("*/usr/lib/*"))


def test_the_watchdog_is_within_what_the_boards_have() -> None:
    text = (FILES / "card/etc/systemd/system.conf.d/watchdog.conf").read_text()
    assert int(text.partition("RuntimeWatchdogSec=")[2].partition("s")[0]) <= 15


def test_reading_does_not_write_and_the_boot_partition_is_roots() -> None:
    root, firmware = role_root._FSTAB.splitlines()
    assert "noatime" in root
    assert "noatime" in firmware
    assert "umask=0077" in firmware


def test_no_trace_of_the_build_is_left(tmp_path: Path) -> None:
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
