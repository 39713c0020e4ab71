"""Writes files on a boot partition: each whole or not at all, and keeps a copy of files that are not ours."""

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

#: The content of a file, or the path of the file to copy.
Content = bytes | Path


def leftovers(partition: Path, owned: tuple[str, ...], files: Mapping[str, Content]) -> list[str]:
    """The files that an earlier preparation of this card wrote, or began to write, and this one does not."""
    begun = sorted(path.name for path in partition.glob(f"*{TEMPORARY}"))
    inside = sorted(str(path.relative_to(partition)) for path in (partition / FOLDER).rglob("*") if path.is_file())
    ours = [*begun, *inside]
    return [
        name
        for name in [*owned, *ours]
        if name not in files and (partition / name).is_file() and (name in ours or _is_ours(partition / name))
    ]


def is_replaced(partition: Path, name: str, content: Content) -> bool:
    """Whether the file replaces one that is not ours, of which a copy is kept."""
    path = partition / name
    return path.exists() and not _same(path, content) and not _is_ours(path)


def write(partition: Path, files: Mapping[str, Content], removed: list[str]) -> None:
    """Write these files in their order. Those in ``removed`` are removed, and the files that they replaced restored.

    VFAT has no journal: if the card is pulled out while a file is being replaced, its name can be lost, but it never
    has a part of its content. ``cmdline.txt``, which makes the first boot read the others, is the last. Raises
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
    if sum(new) > usage.free and usage.total > 0:  # some file systems in user space do not report their size
        raise UserError(f"{partition}: {sum(new) / 1e6:.1f} MB are needed, {usage.free / 1e6:.1f} MB are free")


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
    """Whether an existing file was written by us."""
    if path.name == CMDLINE:  # it cannot contain a comment; a copy of the first one is kept
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
