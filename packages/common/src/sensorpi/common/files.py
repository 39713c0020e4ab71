"""Durable writing: after a power cut, a file has its old content or its new content, whole.

A file is written under a temporary name in the same folder, flushed to the disk (fsync) and renamed. Then the folder is
flushed as well, or the rename could be lost. Every function raises ``UserError``, one line that names the file and what
is wrong with it, such as a full disk. The old file is still there then.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from sensorpi.common.errors import UserError

_log = logging.getLogger(__name__)

#: Readable by the group that the service runs as, and by no other user: some files hold passwords.
SECRET_MODE = 0o640

#: How the names of temporary files end. A power cut can leave some.
TEMPORARY = ".sensorpi-new"

#: What goes into a file: a text, bytes, or the content of another file.
Content = str | bytes | Path


def write(path: Path, content: Content, mode: int | None = SECRET_MODE, group_id: int | None = None) -> None:
    """Write a file, and make the folder that it goes into. An existing file is replaced, and a folder set aside.

    ``mode`` is None on a file system that has none, such as the FAT of a card's boot partition. The file gets the
    group ``group_id`` unless that is None.
    """
    with _one_line(path, "written"):
        with _temporary(path, content, mode, group_id) as temporary:
            if path.is_dir() and not path.is_symlink():
                _log.warning("%s was a folder, and is now %s", path, set_aside(path).name)
            temporary.replace(path)
        _flush_folder(path.parent)


def create(path: Path, content: Content, mode: int | None = SECRET_MODE, group_id: int | None = None) -> bool:
    """Write a new file as ``write`` does and return True. An existing file stays as it is, and False is returned."""
    with _one_line(path, "written"):
        with _temporary(path, content, mode, group_id) as temporary:
            try:
                path.hardlink_to(temporary)
            except FileExistsError:
                return False
        _flush_folder(path.parent)
    return True


def rename(old: Path, new: Path) -> None:
    """Rename a file or a folder within its file system. An existing file of the new name is replaced."""
    with _one_line(old, "renamed"):
        old.replace(new)
        for folder in {old.parent, new.parent}:
            _flush_folder(folder)


def set_aside(path: Path) -> Path:
    """Rename a damaged file, or what is in its place; return its new path. What has that name already is deleted."""
    aside = path.with_name(f"{path.name}.damaged")
    with _one_line(aside, "deleted"):
        if aside.is_dir() and not aside.is_symlink():
            shutil.rmtree(aside)
    rename(path, aside)
    return aside


def remove(path: Path) -> None:
    """Delete a file."""
    with _one_line(path, "deleted"):
        path.unlink()
        _flush_folder(path.parent)


def render(
    files: Mapping[str, str | bytes], directory: Path, mode: int = SECRET_MODE, group_id: int | None = None
) -> list[str]:
    """Give the files below ``directory``, by their relative names, these contents; return the names that changed.

    Files that have the right content are left alone, and the others written as ``write`` does.
    """
    with _one_line(directory, "written"):
        _make_folder(directory)
    contents = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    changed = [name for name, content in contents.items() if not _has(directory / name, content)]
    for name in changed:
        write(directory / name, contents[name], mode, group_id)
    return changed


def _has(path: Path, content: bytes) -> bool:
    with _one_line(path, "read"):
        return path.is_file() and path.read_bytes() == content


@contextmanager
def _temporary(path: Path, content: Content, mode: int | None, group_id: int | None) -> Iterator[Path]:
    """A temporary file for ``path``, with its content on the disk. It is deleted unless it was renamed."""
    _make_folder(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if group_id is not None:
                os.fchown(descriptor, -1, group_id)
            if mode is not None:
                os.fchmod(descriptor, mode)
            _fill(file, content)
            file.flush()
            os.fsync(descriptor)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _fill(file: IO[bytes], content: Content) -> None:
    if isinstance(content, Path):
        with _one_line(content, "read"):
            source = content.open("rb")
        with source:
            shutil.copyfileobj(source, file)
    else:
        file.write(content.encode() if isinstance(content, str) else content)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        with suppress(FileExistsError):  # a file that is in the way is reported by what is done next
            folder.mkdir()
        _flush_folder(folder.parent)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _one_line(path: Path, done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be {done}: {error.strerror or error}") from None
