"""A reading on its way to Kafka, and how a row of the spool holds one."""

import json
import re
from dataclasses import dataclass, replace
from zlib import crc32

from sensorpi.common.reading import kafka_key

#: Kafka refuses a message of 1 MiB. A reading is smaller than 1 KiB.
MOST_BYTES = 900_000

#: The row's fourth text: kernel boot, monotonic ns, ms after the first reading ("-" for none), checksum.
TAKEN = re.compile(rb"\n(-|[0-9a-f-]+) (\d+) (-|\d+) ([0-9a-f]{8})")

#: A row of the spool: sensor, boot, timestamp (ms; 0 for none), message, when it was taken. Damage can change a type.
Row = tuple[object, object, object, object, object]


@dataclass(frozen=True, slots=True)
class Taken:
    """When a reading was taken, by the monotonic clock, which is valid until the machine is rebooted.

    ``after_first_ms``: a recording's reading gets this distance to the recording's first one instead.
    """

    kernel_boot: str
    monotonic_ns: int
    after_first_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A reading as it is sent to Kafka. Without a timestamp it still waits for a clock, and its message has a 0."""

    sensor: str
    boot: str
    timestamp_ms: int | None
    message: bytes
    taken: Taken | None = None

    @property
    def key(self) -> bytes:
        """Its Kafka key. The host is taken from the message, so that a spool of any version gives the right key.

        Bytes that are not a reading are sent all the same: the job dead-letters them.
        """
        try:
            return kafka_key(self.sensor, json.loads(self.message)["host"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return self.sensor.encode(errors="replace")

    def stamped(self, timestamp_ms: int) -> "Entry":
        """The same reading with this timestamp."""
        content = json.loads(self.message) | {"timestamp": timestamp_ms}
        message = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
        return replace(self, timestamp_ms=timestamp_ms, message=message)

    def row(self) -> Row:
        """Its row, whose checksum covers the message."""
        kernel_boot, monotonic_ns, after_ms = "-", 0, None
        if self.taken is not None:
            kernel_boot, monotonic_ns, after_ms = (
                self.taken.kernel_boot,
                self.taken.monotonic_ns,
                self.taken.after_first_ms,
            )
        taken = f"\n{kernel_boot} {monotonic_ns} {'-' if after_ms is None else after_ms} "
        checksum = crc32(self.message + taken.encode())
        return self.sensor, self.boot, self.timestamp_ms or 0, self.message, f"{taken}{checksum:08x}"


def entry_of(row: Row) -> Entry | None:
    """What a row holds; None if it cannot be sent, because a type, the size or the checksum is wrong.

    The message counts: other columns only repeat what it says. A row of an earlier version has no checksum.
    """
    sensor, boot, timestamp_ms, message, taken_text = row
    if isinstance(message, str):
        message = message.encode(errors="replace")
    if not isinstance(message, bytes) or len(message) > MOST_BYTES:
        return None
    taken = None
    if taken_text is not None:
        found = TAKEN.fullmatch(taken_text.encode(errors="replace")) if isinstance(taken_text, str) else None
        if found is None or crc32(message + found[0][:-8]) != int(found[4], 16):
            return None
        taken = _taken(found)
    content = parsed(message)
    if content is not None:
        sensor, boot, timestamp_ms = content
    if not isinstance(sensor, str) or not isinstance(boot, str) or type(timestamp_ms) is not int:
        return None
    return Entry(sensor, boot, timestamp_ms or None, message, taken)


def entry_in(message: bytes, found: re.Match[bytes] | None) -> Entry | None:
    """The entry of a message that was found in a damaged file, with what follows it there; None if it is torn."""
    if found is not None and crc32(message + found[0][:-8]) != int(found[4], 16):
        return None
    content = parsed(message)
    return content and Entry(content[0], content[1], content[2] or None, message, _taken(found) if found else None)


def parsed(message: bytes) -> tuple[str, str, int] | None:
    """Sensor, boot and timestamp (ms) of a reading's message; None if it is not one."""
    try:
        content = json.loads(message)
        sensor, boot, timestamp_ms = content["sensor"], content["boot"], content["timestamp"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    is_right = isinstance(sensor, str) and isinstance(boot, str) and type(timestamp_ms) is int
    return (sensor, boot, timestamp_ms) if is_right else None


def _taken(found: re.Match[bytes]) -> Taken | None:
    kernel_boot, monotonic_ns, after_ms = found[1].decode(), int(found[2]), found[3]
    if kernel_boot == "-":
        return None
    return Taken(kernel_boot, monotonic_ns, None if after_ms == b"-" else int(after_ms))
