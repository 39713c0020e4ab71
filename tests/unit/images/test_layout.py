"""The positions of a card's partitions, and the inodes that a file system uses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.filesystems import used_inodes
from images.layout import ALIGNMENT_BYTES, FIRMWARE_BYTES, aligned, blocks, layout


@given(st.integers(0, 8 << 30), st.integers(1, 500_000))
def test_partitions_are_aligned_and_hold_their_content(content: int, files: int) -> None:
    made = layout(content, files)
    assert made.firmware.size == FIRMWARE_BYTES
    assert made.firmware.end == made.root.start
    assert made.root.end == made.card_bytes
    for value in (made.firmware.start, made.root.start, made.card_bytes):
        assert value % ALIGNMENT_BYTES == 0
    assert made.root.size > (content + files * 256) * 1.04 + (100 << 20)


def test_the_script_for_sfdisk_counts_in_sectors() -> None:
    assert layout(0, 1).sfdisk_script(0x1234).splitlines() == [
        "label: dos",
        "label-id: 0x00001234",
        "unit: sectors",
        "start=8192, size=524288, type=c, bootable",
        "start=532480, size=335872, type=83",
    ]


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 4096), (4096, 4096), (4097, 8192)])
def test_files_take_whole_blocks(size: int, expected: int) -> None:
    assert blocks(size) == expected


def test_alignment() -> None:
    assert [aligned(size) for size in (0, 1, 4 << 20)] == [0, 4 << 20, 4 << 20]


def test_used_inodes_are_those_that_no_group_calls_free() -> None:
    dumped = (
        "Inode count:              24\nFirst inode:              11\n"
        "Group 0: (Blocks 1-8191)\n  Free blocks: 3-9\n  Free inodes: 13, 15-16\n"
        "Group 1: (Blocks 8192-9000)\n  Free inodes: 18-24\nGroup 2:\n  Free inodes: \n"
    )
    assert used_inodes(dumped) == [2, 11, 12, 14, 17]
