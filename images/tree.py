"""A root file system as a folder: removes what would differ from build to build."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from images.layout import blocks
from images.process import environment, run

#: Logs, caches, backups, and files that each machine creates for itself.
_REMOVED = (
    "etc/*-", "etc/ssh/ssh_host_*", "etc/resolv.conf.*", "var/backups/*", "var/cache/apt/*.bin",
    "var/cache/apt/archives/*.deb", "var/cache/debconf/*-old", "var/cache/ldconfig/aux-cache", "var/lib/apt/lists/*",
    "var/lib/dbus/machine-id", "var/lib/dpkg/*-old", "var/lib/systemd/random-seed", "var/log/*.log", "var/log/apt/*",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap", "etc/apt/apt.conf.d/99mmdebstrap", "tmp/*", "var/tmp/*", "run/*",
)  # fmt: skip


def discard(folder: Path) -> None:
    """Remove a folder, if it exists, but not the file systems that a killed build left mounted in it."""
    points = [Path(line.split()[1]) for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in reversed([point for point in points if point.is_relative_to(folder)]):
        run("umount", "--lazy", point, env=environment(0))
    shutil.rmtree(folder, ignore_errors=True)


def remove_traces(root: Path) -> None:
    """Remove what the build has left, and what each machine must create for itself."""
    for pattern in _REMOVED:
        for path in root.glob(pattern):
            _remove(path)
    (root / "etc/machine-id").write_text("")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        for child in path.iterdir():
            _remove(child)
        path.rmdir()
    else:
        path.unlink()


def clamp_times(root: Path, epoch: int) -> None:
    """Set the time of everything that is younger than ``epoch`` (seconds) to it."""
    for path, found in entries(root):
        if found.st_mtime > epoch:
            os.utime(path, (epoch, epoch), follow_symlinks=False)


def measure(root: Path) -> tuple[int, int]:
    """The size of its contents in whole blocks, in bytes, and the number of its files and folders."""
    sizes: dict[tuple[int, int], int] = {}
    for _, found in entries(root):
        size = 0 if stat.S_ISCHR(found.st_mode) else max(found.st_size, 1)
        sizes[found.st_dev, found.st_ino] = blocks(size)
    return sum(sizes.values()), len(sizes)


def entries(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Each file and folder below a root, and at last the root itself; a folder follows its contents."""
    for folder, folders, files in os.walk(root, topdown=False):
        for name in sorted((*folders, *files)):
            path = Path(folder, name)
            yield path, path.lstat()
    yield root, root.lstat()
