"""A small disk of its own for each part: a file system in memory that can be filled or become read-only.

Call it only in a mount namespace that nobody else uses (``namespaces.isolated``).
"""

import errno
import os
from contextlib import suppress
from pathlib import Path

from tests.chaos.namespaces import mount

_FILLER = "filler"
#: What is left on a disk that is nearly full.
_NEARLY_FULL_BYTES = 96 * 1024
_BLOCK = bytes(4096)


_MS_RDONLY, _MS_REMOUNT = 1, 32


class Disk:
    """The disk that is mounted on one folder."""

    def __init__(self, folder: Path, size_mb: int) -> None:
        """Mount it. Raises OSError."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        mount("chaos", str(folder), "tmpfs", 0, f"size={size_mb}m,mode=755")

    def fill(self, nearly: bool) -> None:
        """Write a file until no byte, or nearly none, is left."""
        filler = os.open(self.folder / _FILLER, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            disk = os.statvfs(self.folder)
            free = disk.f_bavail * disk.f_frsize - (_NEARLY_FULL_BYTES if nearly else 0)
            with suppress(OSError):  # others write at the same time
                os.posix_fallocate(filler, 0, max(free, 1))
            os.lseek(filler, 0, os.SEEK_END)
            with suppress(OSError):
                while not nearly:
                    os.write(filler, _BLOCK)
        finally:
            os.close(filler)

    def empty(self) -> None:
        """Undo ``fill``."""
        (self.folder / _FILLER).unlink(missing_ok=True)

    def make_read_only(self) -> bool:
        """Return False when a process has a file open for writing, which prevents it."""
        try:
            mount(None, str(self.folder), None, _MS_REMOUNT | _MS_RDONLY)
        except OSError as error:
            if error.errno == errno.EBUSY:
                return False
            raise
        return True

    def make_writable(self) -> None:
        """Undo ``make_read_only``."""
        mount(None, str(self.folder), None, _MS_REMOUNT)
