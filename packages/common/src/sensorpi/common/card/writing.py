"""Writes files on a boot partition: each whole or not at all, and nothing of others without keeping it."""

import filecmp
import shutil
from collections.abc import Mapping
from pathlib import Path

from sensorpi.common.card.boot_files import CMDLINE
from sensorpi.common.card.boot_partition import erase
from sensorpi.common.card.first_boot import FOLDER, MARK
from sensorpi.common.errors import UserError
from sensorpi.common.files import TEMPORARY, remove, rename
from sensorpi.common.files import write as write_file

_KEPT = ".before-sensorpi"

#: A file's content, or the file whose copy it becomes.
Content = bytes | Path


def leftovers(partition: Path, owned: tuple[str, ...], files: Mapping[str, Content]) -> list[str]:
    """What an earlier preparation of this card put there and this one does not, or began to put there."""
    begun = sorted(path.name for path in partition.glob(f"*{TEMPORARY}"))
    inside = sorted(str(path.relative_to(partition)) for path in (partition / FOLDER).rglob("*") if path.is_file())
    ours = [*begun, *inside]
    return [
        name
        for name in [*owned, *ours]
        if name not in files and (partition / name).is_file() and (name in ours or _is_ours(partition / name))
    ]


def is_replaced(partition: Path, name: str, content: Content) -> bool:
    """Whether a file of others is in the way, which is kept then."""
    path = partition / name
    return path.exists() and not _same(path, content) and not _is_ours(path)


def write(partition: Path, files: Mapping[str, Content], removed: list[str]) -> None:
    """Bring the partition to these files, in their order; ``removed`` go, and what they replaced comes back.

    Each is written beside the old one, brought to the card (fsync), and renamed over it; then the folder is brought to
    the card. VFAT has no journal: a card pulled out in this moment can lose the name that is being replaced, but never
    has a part of a file under it. ``cmdline.txt``, which makes the first boot read the others, is the last. Raises
    ``UserError``.
    """
    _check_space(partition, files)
    try:
        for name in removed:
            _remove(partition / name)
        for name, content in files.items():
            _replace(partition / name, content)
    except OSError as error:
        raise UserError(f"{error.filename or partition}: cannot be written: {error.strerror}") from None


def _check_space(partition: Path, files: Mapping[str, Content]) -> None:
    new = [_size(content) for name, content in files.items() if not _same(partition / name, content)]
    usage = shutil.disk_usage(partition)
    if sum(new) > usage.free and usage.total > 0:  # some file systems in user space do not tell
        raise UserError(f"{partition}: {sum(new) / 1e6:.1f} MB do not fit, {usage.free / 1e6:.1f} MB are free")


def _replace(path: Path, content: Content) -> None:
    if _same(path, content):
        return
    if path.exists() and not _is_ours(path):
        write_file(_free_name(path), path, mode=None)
    write_file(path, content, mode=None)


def _remove(path: Path) -> None:
    kept = path.with_name(path.name + _KEPT)
    if kept.exists():
        rename(kept, path)
    elif path.suffix == ".deb":
        remove(path)
    else:
        erase(path)


def _is_ours(path: Path) -> bool:
    """Whether a file that is there was written by us."""
    if path.name == CMDLINE:  # it takes no comment; what was there first is kept once
        return path.with_name(CMDLINE + _KEPT).exists()
    if path.suffix in (".key", ".toml") or path.parent.name == "debs" or path.parent.name == FOLDER:
        return True
    with path.open("rb") as file:
        return MARK.encode() in file.read(200)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}{_KEPT}{number}") for number in ("", *map(str, range(2, 100))))
    return next(name for name in names if not name.exists())


def _same(path: Path, content: Content) -> bool:
    if not path.is_file():
        return False
    if isinstance(content, Path):
        return filecmp.cmp(path, content, shallow=False)
    return path.stat().st_size == len(content) and path.read_bytes() == content


def _size(content: Content) -> int:
    return content.stat().st_size if isinstance(content, Path) else len(content)
