"""The positions of a card's two partitions: pure arithmetic."""

from dataclasses import dataclass

SECTOR_BYTES = 512
#: SD cards erase in blocks of 4 MiB; partitions and the card's end are aligned to them.
ALIGNMENT_BYTES = 4 << 20
#: Room for the firmware, two kernels and two initrds.
FIRMWARE_BYTES = 256 << 20
#: Free space in the root file system until the first boot grows it to the card's size.
_SLACK_BYTES = 128 << 20
_INODE_BYTES = 256
#: ext4 rounds each file up to whole blocks, and has a journal and tables.
_BLOCK_BYTES = 4096
_JOURNAL_BYTES = 32 << 20


@dataclass(frozen=True)
class Partition:
    """Start and size in bytes."""

    start: int
    size: int

    @property
    def end(self) -> int:
        """Where the next partition can start."""
        return self.start + self.size


@dataclass(frozen=True)
class Layout:
    """The boot partition (FAT32) and the root file system (ext4) of an MBR-partitioned card."""

    firmware: Partition
    root: Partition

    @property
    def card_bytes(self) -> int:
        """The size of the image in bytes."""
        return self.root.end

    def sfdisk_script(self, disk_id: int) -> str:
        """The input of sfdisk. ``disk_id`` is the 32-bit signature of the disk."""
        lines = ["label: dos", f"label-id: 0x{disk_id:08x}", "unit: sectors"]
        for partition, kind in ((self.firmware, "c, bootable"), (self.root, "83")):
            start, size = partition.start // SECTOR_BYTES, partition.size // SECTOR_BYTES
            lines.append(f"start={start}, size={size}, type={kind}")
        return "\n".join(lines) + "\n"


def layout(content_bytes: int, files: int) -> Layout:
    """The smallest layout for ``files`` files with ``content_bytes`` in whole blocks, and for a first boot."""
    firmware = Partition(ALIGNMENT_BYTES, FIRMWARE_BYTES)
    needed = content_bytes + files * _INODE_BYTES + _JOURNAL_BYTES
    # Block and inode tables, with twice the inodes in use, take less than a twentieth.
    return Layout(firmware, Partition(firmware.end, aligned(needed + needed // 20 + _SLACK_BYTES)))


def aligned(size: int) -> int:
    """``size`` rounded up to a multiple of the alignment, in bytes."""
    return -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def blocks(size: int) -> int:
    """The space that a file of ``size`` bytes takes on ext4, in bytes."""
    return -(-size // _BLOCK_BYTES) * _BLOCK_BYTES
