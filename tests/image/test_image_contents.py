"""The files on a sensor's card of each kind before its first boot, read without mounting it."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from images.build import build
from images.epoch import source_date_epoch
from images.order import order
from images.publish import sha256
from tests.image.card import Card, run
from tests.image.conftest import CLUSTER, FOLDER, NODES, REPOSITORY, Image

ZSTD = b"\x28\xb5\x2f\xfd"  # RFC 8878, 3.1.1
CPIO_END = b"TRAILER!!!"


@dataclass(frozen=True)
class Kind:
    """``firmware`` is read by the boards' boot program; ``modules`` drive their card slot and watchdog."""

    suite: str
    architecture: str
    boards: set[str]
    firmware: set[str]
    modules: set[str]


_64_BIT = (
    {"bcm2837-rpi-3-b.dtb", "bcm2837-rpi-3-b-plus.dtb", "bcm2837-rpi-zero-2-w.dtb", "bcm2711-rpi-4-b.dtb"},
    {"bootcode.bin", "start.elf", "start4.elf", "fixup.dat", "fixup4.dat"},
    {"bcm2835", "sdhci-iproc", "fixed", "gpio-regulator", "bcm2835_wdt", "ext4"},
)
_ARMEL = ({"bcm2835-rpi-zero-w.dtb", "bcm2835-rpi-b-plus.dtb"}, {"bootcode.bin", "start.elf", "fixup.dat"}, {"ext4"})
KINDS = [Kind("bookworm", "arm64", *_64_BIT), Kind("trixie", "arm64", *_64_BIT), Kind("bookworm", "armel", *_ARMEL)]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind.suite}-{kind.architecture}")
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind that `make image` has."""
    kind: Kind = request.param
    return kind


@pytest.fixture(scope="module")
def card(image: Image, kind: Kind) -> Card:
    """The image itself."""
    return Card.at(image("sensor", kind.suite, kind.architecture))


def test_it_has_a_boot_partition_and_a_root_file_system(card: Card) -> None:
    table = json.loads(run("sfdisk", "--json", card.path))["partitiontable"]
    assert table["label"] == "dos"
    assert [part["type"] for part in table["partitions"]] == ["c", "83"]
    assert all(part["start"] % 8192 == 0 for part in table["partitions"])


def test_the_firmware_finds_what_it_starts(card: Card, kind: Kind) -> None:
    names = card.boot_names()
    assert kind.firmware | kind.boards | {"config.txt"} <= names
    config = card.boot_text("config.txt")
    assert ("arm_64bit=1" in config) == (kind.architecture == "arm64")
    for name in ("kernel=", "initramfs "):
        assert next(line for line in config.splitlines() if line.startswith(name)).removeprefix(name) in names


def test_the_kernel_finds_its_root_and_counts_memory(card: Card) -> None:
    words = card.boot_text("cmdline.txt").split()
    assert "root=LABEL=RASPIROOT" in words
    assert {"rootwait", "cgroup_enable=memory", "cgroup_memory=1"} <= set(words)
    assert not [word for word in words if word.startswith("cma=")]  # with 64M a Pi 4 does not start


def test_the_initrd_has_what_switches_a_card_on_and_checks_it(card: Card, kind: Kind) -> None:
    initrd = card.read_boot(next(name for name in card.boot_names() if name.startswith("initrd.img")))
    # Trixie's starts with an uncompressed archive of the modules, which are compressed one by one.
    compressed = initrd.index(ZSTD, max(initrd.rfind(CPIO_END), 0))
    archive = initrd[:compressed] + run("zstd", "-dc", data=initrd[compressed:])
    assert [module for module in kind.modules if f"/{module}.ko".encode() not in archive] == []
    assert b"sbin/fsck.ext4" in archive


def test_the_radios_firmware_is_there(card: Card) -> None:
    names = card.names("/usr/lib/firmware/brcm")
    assert {"brcmfmac43430-sdio.bin", "brcmfmac43455-sdio.bin"} <= names
    assert "regulatory.db" in " ".join(card.names("/usr/lib/firmware"))


def test_a_sensors_card_has_no_key(card: Card) -> None:
    assert "sensorpi.toml" in card.boot_names()
    assert "cluster.key" not in card.boot_names()


def test_a_workers_card_has_the_key(image: Image) -> None:
    assert Card.at(image("mesos-worker")).read_boot("cluster.key") == bytes(range(32))


def test_nobody_has_a_password(card: Card) -> None:
    fields = [line.split(":")[:2] for line in card.read_root("/etc/shadow").splitlines()]
    assert fields
    assert [name for name, password in fields if password not in ("*", "!", "!*", "!!")] == []


def test_nothing_is_baked_in_that_each_machine_makes_for_itself(card: Card) -> None:
    assert card.read_root("/etc/machine-id") == ""
    assert not [name for name in card.names("/etc/ssh") if name.startswith("ssh_host")]
    assert "random-seed" not in card.names("/var/lib/systemd")
    assert "policy-rc.d" not in card.names("/usr/sbin")


def test_our_repository_is_known_by_its_key(card: Card) -> None:
    assert "sensorpi.gpg" in card.names("/usr/share/keyrings")
    assert "signed-by=/usr/share/keyrings/sensorpi.gpg" in card.read_root("/etc/apt/sources.list.d/sensorpi.list")
    assert "file:" not in card.read_root("/etc/apt/sources.list.d/sensorpi.list")


def test_the_file_systems_are_sound(card: Card) -> None:
    run("e2fsck", "-fn", f"{card.path}?offset={card.starts[1]}")


def test_the_root_has_the_nodes_own_cluster_file(card: Card) -> None:
    assert card.read_root("/etc/sensorpi/node") == "shed\n"
    assert card.read_root("/etc/sensorpi/cluster.toml") == CLUSTER


def test_the_list_of_packages_has_the_role(card: Card) -> None:
    assert "sensorpi-sensor 0." in card.path.with_suffix(".manifest").read_text()


@pytest.mark.parametrize("role", ["sensor", "mesos-worker"])  # without and with Java
def test_the_same_input_gives_the_same_bytes(image: Image, role: str, tmp_path: Path) -> None:
    asked = order({"ROLE": role, "NODE": NODES[role], "CLUSTER": str(FOLDER / "cluster.toml")})
    first = image(role)
    again = build(asked, REPOSITORY, tmp_path, source_date_epoch())
    assert sha256(again) == sha256(first)
