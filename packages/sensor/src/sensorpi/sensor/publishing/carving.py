"""Finds the readings in a damaged spool, whatever SQLite can still make of it: their bytes are recognised.

A file holds a reading's message whole, followed by its checksum, so neither the order of pages nor the header matters.
Readings that were deleted, because Kafka has them, are found as well. They are sent again; the database stores the two
as one.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from sensorpi.sensor.stamping.entry import TAKEN, Entry, entry_in

_BEGIN = b'{"sensor":"'
_END = re.compile(rb"\}" + TAKEN.pattern)
#: A message of version 0.x, which has no checksum.
_PLAIN = re.compile(rb'\{"sensor":"[^\x00-\x1f{}]*\}')
#: How much is read at once, and the most that one reading needs.
_CHUNK_BYTES, _READING_BYTES = 1_000_000, 16_384


def carve(files: list[Path]) -> Iterator[Entry]:
    """Each reading in these files once, nearly in order. What cannot be read is left out.

    Files without a single checksum are those of an earlier version.
    """
    seen: set[int] = set()
    found_any = False
    for find in (_checked, _plain):
        for chunk in (chunk for file in files for chunk in _chunks(file)):
            entries = [entry for entry in find(chunk) if entry is not None]
            for entry in sorted(entries, key=_age):
                found_any = True
                if (mark := hash(entry.message)) not in seen:
                    seen.add(mark)
                    yield entry
        if found_any:
            return


def _age(entry: Entry) -> tuple[int, int]:
    return entry.timestamp_ms or 0, entry.taken.monotonic_ns if entry.taken is not None else 0


def _checked(chunk: bytes) -> Iterator[Entry | None]:
    for found in _END.finditer(chunk):
        begin = chunk.rfind(_BEGIN, max(0, found.start() - _READING_BYTES), found.start())
        if begin >= 0:
            yield entry_in(chunk[begin : found.start() + 1], TAKEN.match(chunk, found.start() + 1))


def _plain(chunk: bytes) -> Iterator[Entry | None]:
    for found in _PLAIN.finditer(chunk):
        yield entry_in(found[0], None)


def _chunks(file: Path) -> Iterator[bytes]:
    """The file's content in pieces that overlap by more than one reading. A piece that cannot be read is skipped."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except OSError:
        return
    try:
        for offset in range(0, os.fstat(descriptor).st_size, _CHUNK_BYTES):
            try:
                yield os.pread(descriptor, _CHUNK_BYTES + _READING_BYTES, offset)
            except OSError:
                continue
    finally:
        os.close(descriptor)
