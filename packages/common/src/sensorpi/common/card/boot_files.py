"""Recognises the boot partition of a freshly flashed Raspberry Pi OS card, and which files its first boot reads."""

import re
from enum import Enum
from pathlib import Path

from sensorpi.common.card.boot_partition import PARTITIONS
from sensorpi.common.errors import UserError

CMDLINE = "cmdline.txt"

#: At the first boot of bookworm's images, this program grows the root file system and removes itself from cmdline.txt.
_FRESH_BOOKWORM = "init=/usr/lib/raspberrypi-sys-mods/firstboot"
_CLOUD_INIT_FILES = ("user-data", "meta-data")
#: The first trixie images (2025-10-01) have cloud-init's files but do not read them.
_CLOUD_INIT_WORKS_SINCE = "2025-11-01"


class FirstBoot(Enum):
    """The files that a release's first boot reads from its boot partition."""

    CLOUD_INIT = "user-data, network-config and meta-data (trixie, cloud-init)"
    SCRIPT = "firstrun.sh (bookworm)"


def recognise(partition: Path) -> FirstBoot:
    """Which files tell the first boot of that card what to do.

    Raises ``UserError`` for a folder that is not a boot partition or is this machine's own, and for a card that has an
    unknown release or has booted before.
    """
    if not partition.is_dir():
        raise UserError(f"{partition}: no such folder; give the folder where the card's boot partition is mounted")
    if partition.resolve() in PARTITIONS:
        raise UserError(
            f"{partition}: this machine's own boot partition; to make this machine a node, use sensorpi join"
        )
    for name in ("config.txt", CMDLINE):
        if not (partition / name).is_file():
            raise UserError(f"{partition}: not the boot partition of a card (often called bootfs): it has no {name}")
    # Files outside the partition must never be replaced or erased. FAT has no links.
    if link := next((path for path in partition.rglob("*") if path.is_symlink()), None):
        raise UserError(f"{link}: a symbolic link, so this is not the boot partition of a card")
    words = kernel_words(partition)
    issue_file = partition / "issue.txt"
    issue = issue_file.read_text(encoding="utf-8", errors="replace") if issue_file.is_file() else ""
    if all((partition / name).is_file() for name in _CLOUD_INIT_FILES):
        date = re.search(r"\d{4}-\d\d-\d\d", issue)
        if date is not None and date[0] < _CLOUD_INIT_WORKS_SINCE:
            raise UserError(f"{partition}: the image of {date[0]} does not read its user-data; flash a newer one")
        return FirstBoot.CLOUD_INIT
    if _FRESH_BOOKWORM in words:
        if "auto_initramfs" not in (partition / "config.txt").read_text(encoding="utf-8", errors="replace"):
            raise UserError(f"{partition}: Raspberry Pi OS bullseye or older; flash bookworm or trixie")
        return FirstBoot.SCRIPT
    if "pi-gen" in issue:
        raise UserError(f"{partition}: this card has already booted; flash it again, or use sensorpi join on the Pi")
    raise UserError(f"{partition}: not a known release of Raspberry Pi OS; flash bookworm or trixie")


def kernel_words(partition: Path) -> list[str]:
    """The words of the kernel's command line. Raises ``UserError`` if it is not one line of text."""
    path = partition / CMDLINE
    try:
        lines = path.read_text(encoding="ascii").strip().splitlines()
    except UnicodeDecodeError:
        lines = []
    if len(lines) != 1:
        raise UserError(f"{path}: expected one line of text; flash the card again")
    return lines[0].split()


def with_words(words: list[str], ours: list[str], beginnings: tuple[str, ...]) -> bytes:
    """The command line without the words that start with one of the ``beginnings``, and with ``ours`` at its end."""
    others = [word for word in words if not word.startswith(beginnings)]
    return " ".join([*others, *ours]).encode("ascii") + b"\n"
