"""RecordIO, the format of Mesos's event streams: the length in decimal digits, a newline, the record."""

#: Far above any event of a cluster of this size: an offer is about 1 kB.
MAX_RECORD_BYTES = 16 * 1024 * 1024

_NEWLINE = b"\n"


class RecordError(ValueError):
    """The stream is not RecordIO, or has lost its framing."""


def encode(record: bytes) -> bytes:
    """The record as it goes over the wire."""
    return b"%d\n%b" % (len(record), record)


class Decoder:
    """Takes a stream in pieces of any size and returns whole records."""

    def __init__(self, max_record_bytes: int = MAX_RECORD_BYTES) -> None:
        """A record above ``max_record_bytes`` is refused before any of it is stored."""
        self._max_bytes = max_record_bytes
        self._max_digits = len(str(max_record_bytes))
        self._buffer = bytearray()
        self._length: int | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """The records that ``data`` completes, in order.

        Raises ``RecordError`` where a length is expected and missing, or is above the limit; the stream cannot be used
        any more then.
        """
        self._buffer += data
        records = []
        while (record := self._next_record()) is not None:
            records.append(record)
        return records

    def _next_record(self) -> bytes | None:
        if self._length is None:
            self._length = self._take_length()
        if self._length is None or len(self._buffer) < self._length:
            return None
        record = bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        self._length = None
        return record

    def _take_length(self) -> int | None:
        end = self._buffer.find(_NEWLINE, 0, self._max_digits + 1)
        digits = bytes(self._buffer[: end if end >= 0 else self._max_digits + 1])
        if (digits and not digits.isdigit()) or end == 0 or (end < 0 and len(digits) > self._max_digits):
            raise RecordError(f"{digits!r} is not the length of a record")
        if end < 0:
            return None
        length = int(digits)
        if length > self._max_bytes:
            raise RecordError(f"a record of {length} bytes is above the limit of {self._max_bytes}")
        del self._buffer[: end + 1]
        return length
