"""Kafka's record batches (format version 2), read record by record in little memory, whatever a batch expands to.

Kafka's consumer allocates each record as a whole, and a gzip batch of 150 KB may hold a record of 150 MB. Here such a
record is skipped in the stream, and only its size is kept.
"""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO, NamedTuple, Protocol

from sensorpi.pipeline.job.records import LARGEST_BYTES, Message

#: Base offset, length, leader epoch, format, checksum, attributes, offset delta of the last record, first and last
#: timestamp, producer id, producer epoch, first sequence number, number of records.
_HEAD = struct.Struct(">qiibIhiqqqhii")
#: The batch's length does not count its first two numbers.
_UNCOUNTED_BYTES = 12

#: Of the last byte of a number of 64 bits.
_MOST_SHIFT = 63

_CODEC = 0b111
_LOG_APPEND_TIME = 0b1000
_TRANSACTIONAL = 0b1_0000
_CONTROL = 0b10_0000


class Batch(NamedTuple):
    """A record batch, of which only the head has been read."""

    first_offset: int
    last_offset: int
    #: Kafka's number of the compression codec; 0: none.
    codec: int
    is_transactional: bool
    #: A transaction marker, which has no messages.
    is_control: bool
    producer_id: int
    first_ms: int
    #: The append time of every record; None when each record has a timestamp of its own.
    appended_ms: int | None
    records: int
    #: The records, compressed.
    payload: bytes


class Expanded(Protocol):
    """The stream of a batch's records, decompressed."""

    def read(self, size: int, /) -> bytes:
        """So many bytes; fewer at the end."""

    def skip(self, size: int, /) -> None:
        """Pass over so many bytes. Raises EOFError when there are fewer."""


class Plain:
    """The stream of a batch that is not compressed."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.read = stream.read

    @classmethod
    def of(cls, batch: Batch) -> "Plain":
        """The records of a batch."""
        return cls(BytesIO(batch.payload))

    def skip(self, size: int, /) -> None:
        """Pass over so many bytes."""
        self._stream.seek(size, 1)


def batches(data: bytes) -> Iterator[Batch]:
    """The batches in a fetch's answer; the last one may be truncated, and is left out then.

    Raises ValueError for what is not a batch of format version 2.
    """
    at = 0
    while at + _HEAD.size <= len(data):
        (
            base, length, _epoch, version, _crc, attributes, last_delta, first_ms, last_ms,
            producer_id, _producer_epoch, _sequence, count,
        ) = _HEAD.unpack_from(data, at)  # fmt: skip
        end = at + _UNCOUNTED_BYTES + length
        if end > len(data):
            return
        if version != 2 or end < at + _HEAD.size:
            raise ValueError(f"record batch of format {version} and {length} bytes at offset {base}")
        yield Batch(
            base,
            base + last_delta,
            attributes & _CODEC,
            bool(attributes & _TRANSACTIONAL),
            bool(attributes & _CONTROL),
            producer_id,
            first_ms,
            last_ms if attributes & _LOG_APPEND_TIME else None,
            count,
            data[at + _HEAD.size : end],
        )
        at = end


def messages(batch: Batch, partition: int, stream: Expanded) -> Iterator[Message]:
    """The messages of a batch. Of one that is too large to be carried, only the size is kept.

    Raises EOFError when the stream ends too early, or is not one of records.
    """
    for _ in range(batch.records):
        left = _Counted(stream, _varint(stream))
        left.read(1)  # attributes, of which there are none
        timestamp_ms = batch.first_ms + _varint(left)
        offset = batch.first_offset + _varint(left)
        parts: list[bytes | None] = []
        left_out = 0
        for _part in ("key", "value"):
            size = _varint(left)
            if size + left_out > LARGEST_BYTES - sum(len(part or b"") for part in parts):
                left.skip(size)
                left_out += size
            else:
                parts.append(None if size < 0 else left.read(size))
        left.skip(left.size)  # headers
        if left_out:
            left_out += sum(len(part or b"") for part in parts)
            parts = [None, None]
        key, value = parts
        yield Message(partition, offset, batch.appended_ms or timestamp_ms, key, value, left_out)


class _Counted:
    """A part of a stream, of ``size`` bytes."""

    def __init__(self, stream: Expanded, size: int) -> None:
        self._stream = stream
        self.size = size

    def read(self, size: int, /) -> bytes:
        if size > self.size:
            raise EOFError
        found = self._stream.read(size) if size else b""
        if len(found) < size:
            raise EOFError
        self.size -= size
        return found

    def skip(self, size: int, /) -> None:
        if not 0 <= size <= self.size:
            raise EOFError
        if size:
            self._stream.skip(size)
        self.size -= size


def _varint(stream: Expanded) -> int:
    """A number of variable length, zigzag-encoded."""
    value = shift = 0
    while True:
        [byte] = stream.read(1) or [-1]
        if byte < 0:
            raise EOFError
        if shift > _MOST_SHIFT:
            raise EOFError
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1)
        shift += 7
