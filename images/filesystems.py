"""Makes the two file systems of a card from folders, without mounting. The same input gives the same bytes."""

import os
import re
from pathlib import Path
from uuid import UUID

from images.process import environment, run

#: The labels in Debian's own Raspberry Pi images. cmdline.txt and fstab refer to them.
FIRMWARE_LABEL = "RASPIFIRM"
ROOT_LABEL = "RASPIROOT"

#: Features that a newer e2fsprogs on the build host would add, and that of the card's Debian may not know.
_FEATURES = "^orphan_file,^metadata_csum_seed"
_ROOT_INODE = 2


def make_fat(image: Path, size: int, folder: Path, volume_id: int, epoch: int) -> None:
    """Make a FAT32 file system of ``size`` bytes with the contents of ``folder``."""
    env = environment(epoch, MTOOLS_SKIP_CHECK="1")
    make_sparse(image, size)
    run("mkfs.vfat", "--invariant", "-F", "32", "-n", FIRMWARE_LABEL, "-i", f"{volume_id:08x}", image, env=env)
    for path in sorted(folder.iterdir()):
        run("mcopy", "-i", image, "-s", "-m", "-Q", path, "::/", env=env)


def make_ext4(image: Path, size: int, folder: Path, uuid: UUID, epoch: int) -> None:
    """Make an ext4 file system of ``size`` bytes with the contents of ``folder``."""
    # e2fsprogs 1.47.0 does not know SOURCE_DATE_EPOCH.
    env = environment(epoch, E2FSPROGS_FAKE_TIME=str(epoch))
    make_sparse(image, size)
    run(
        "mke2fs", "-q", "-F", "-t", "ext4", "-O", _FEATURES, "-b", "4096", "-J", "size=32", "-L", ROOT_LABEL,
        "-U", str(uuid), "-E", f"hash_seed={uuid},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0",
        "-d", folder, image, env=env,
    )  # fmt: skip
    _set_times(image, epoch, env)


def make_sparse(file: Path, size: int) -> None:
    """Make a file of ``size`` bytes that only its owner can read, because a card holds keys and passwords."""
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    os.truncate(file, size)


def _set_times(image: Path, epoch: int, env: dict[str, str]) -> None:
    """Set the times of change and access, which mke2fs copies from the folder, to the epoch."""
    used = used_inodes(run("dumpe2fs", image, env=env))
    script = "".join(f"sif <{inode}> ctime @{epoch}\nsif <{inode}> atime @{epoch}\n" for inode in used)
    run("debugfs", "-w", "-f", "/dev/stdin", image, env=env, text=script)


def used_inodes(dumped: str) -> list[int]:
    """The inodes of files and folders, from the output of dumpe2fs."""
    count, first = (int(re.findall(rf"(?m)^{name}:\s+(\d+)$", dumped)[0]) for name in ("Inode count", "First inode"))
    used = {_ROOT_INODE, *range(first, count + 1)}
    for line in re.findall(r"(?m)^\s+Free inodes: (.*)$", dumped):
        for part in filter(None, line.split(", ")):
            begin, _, end = part.partition("-")
            used -= set(range(int(begin), int(end or begin) + 1))
    return sorted(used)
