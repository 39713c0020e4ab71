"""Gets the stream past messages that expand to more than the JVM's heap, and ended the job twice.

The brokers limit only a batch's compressed size, and Kafka's consumer allocates each message as a whole. After two
starts at the same offsets without progress, the driver looks for such batches itself, without expanding them, and reads
the partition up to there record by record.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError

from sensorpi.common.daemon import service, untrusted
from sensorpi.common.files import render
from sensorpi.pipeline.job import checkpoint
from sensorpi.pipeline.job.offsets import GroupOffsets
from sensorpi.pipeline.job.raw_log import RawLog
from sensorpi.pipeline.job.record_batches import Batch, Plain, messages
from sensorpi.pipeline.job.records import Message

_log = logging.getLogger(__name__)

#: A batch that expands to less can be read by Spark, also with the smallest heap.
LARGEST_EXPANDED_BYTES = 16 * 1024 * 1024
#: The most that a byte of gzip, snappy or lz4 expands to; zstd has no limit.
_EXPANSION = {1: 1032, 2: 64, 3: 256}
_CHUNK_BYTES = 65_536


class Starts:
    """Counts consecutive starts of the stream at the same offsets, also over restarts of the job on this node.

    If the last one was elsewhere and was not stopped, it died here, and counts.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "starts.json"

    def count(self, positions: Mapping[int, int]) -> int:
        """Count a start at these offsets; return how many there were. Raises UserError when it cannot be saved."""
        offsets = {str(partition): offset for partition, offset in positions.items()}
        before = untrusted.load(self._file, _starts)
        number = 1 if before is None else before[0] + 1 if before[1] == offsets else 2
        render({self._file.name: json.dumps({"starts": number, "offsets": offsets})}, self._file.parent)
        return number

    def forget(self) -> None:
        """Start anew, because the job was stopped and did not die."""
        with suppress(OSError):  # then the next start looks for large messages in vain
            self._file.unlink(missing_ok=True)


def _starts(text: str) -> tuple[int, dict[str, int]]:
    """How many starts there were, and at which offsets."""
    values = untrusted.parse_json(text)
    starts, offsets = values["starts"], values["offsets"]
    if type(starts) is not int or not all(type(each) is int for each in offsets.values()):
        raise TypeError("it has values of the wrong type")
    return starts, offsets


class JvmStream:
    """A batch's records, decompressed in a JVM, which has every codec."""

    def __init__(self, jvm: Any, batch: Batch) -> None:
        kafka = jvm.org.apache.kafka.common
        codec = kafka.record.CompressionType.forId(batch.codec)
        payload = jvm.java.nio.ByteBuffer.wrap(batch.payload)
        self._stream = codec.wrapForInput(payload, 2, kafka.utils.BufferSupplier.NO_CACHING)
        self._buffer = b""

    def read(self, size: int, /) -> bytes:
        """So many bytes; fewer at the end."""
        if len(self._buffer) < size:
            self._buffer += self._stream.readNBytes(max(size - len(self._buffer), _CHUNK_BYTES))
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def skip(self, size: int, /) -> None:
        """Pass over so many bytes, without keeping them. Raises EOFError when there are fewer."""
        buffered = min(size, len(self._buffer))
        self._buffer = self._buffer[buffered:]
        while size > buffered:
            some = min(size - buffered, LARGEST_EXPANDED_BYTES)
            try:
                self._stream.skipNBytes(some)
            except Py4JJavaError as error:
                raise EOFError(str(error.java_exception)) from error
            service.notify(watchdog=True)
            size -= some


def find(jvm: Any, log: RawLog, positions: Mapping[int, int], most: int) -> dict[int, int]:
    """By partition, the offset after the last batch that expands to too much, among the next ``most`` messages.

    Raises KafkaError.
    """
    found = {}
    for partition, position in positions.items():
        for batch in takewhile(lambda batch: batch.first_offset < position + most, log.batches(partition, position)):  # noqa: B023
            if _is_oversized(jvm, batch):
                found[partition] = batch.last_offset + 1
    return found


def read(jvm: Any, log: RawLog, partition: int, start: int, end: int, too_large: dict[int, int]) -> Iterator[Message]:
    """The messages from ``start`` to before ``end``, each in little memory. Raises KafkaError.

    Offset and size of those that were left out are added to ``too_large``.
    """
    for batch in takewhile(lambda batch: batch.first_offset < end, log.batches(partition, start)):
        service.notify(watchdog=True)
        stream = JvmStream(jvm, batch) if batch.codec else Plain.of(batch)
        for message in messages(batch, partition, stream):
            if start <= message.offset < end:
                if message.left_out_bytes:
                    too_large[message.offset] = message.left_out_bytes
                yield message


def pass_over(
    jvm: Any,
    bootstrap_servers: str,
    group: GroupOffsets,
    most: int,
    place: Path,
    settle: Callable[[Callable[[], Iterator[Message]]], None],
    report: Callable[[str], None],
) -> bool:
    """Settle the messages up to the last one that no JVM of this heap can read, among the next ``most``.

    The checkpoint at ``place``, which would start before them, is moved aside. ``settle`` gets a function that reads
    them, ``report`` a line for each partition. Returns whether there were any. Raises KafkaError.
    """
    with RawLog(bootstrap_servers) as log:
        ends = find(jvm, log, group.reached, most)
        if ends and place.exists():
            checkpoint.set_aside_stale(place)
        for partition, end in ends.items():
            too_large: dict[int, int] = {}
            settle(partial(read, jvm, log, partition, group.reached[partition], end, too_large))
            group.commit({partition: end})
            sizes = ", ".join(f"offset {offset} ({size} bytes)" for offset, size in sorted(too_large.items())[:10])
            line = (
                f"{len(too_large)} messages of partition {partition} that are too large to be read have ended the"
                f" job twice: {sizes or 'together'}. They are skipped; their dead letters have no value."
            )
            _log.error("%s", line)
            report(line)
    return bool(ends)


def _is_oversized(jvm: Any, batch: Batch) -> bool:
    if not batch.codec:
        return False
    if len(batch.payload) * _EXPANSION.get(batch.codec, LARGEST_EXPANDED_BYTES) <= LARGEST_EXPANDED_BYTES:
        return False
    try:
        JvmStream(jvm, batch).skip(LARGEST_EXPANDED_BYTES)
    except EOFError:
        return False
    return True
