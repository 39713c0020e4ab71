"""Gets the stream past messages that expand to more than the JVM's heap, and ended the job twice.

The brokers limit only a batch's compressed size, and Kafka's consumer allocates each message as a whole. After two
starts at the same offsets without progress, the driver looks for such batches itself, without expanding them, and reads
the partition up to there record by record.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError

from sensorpi.common.daemon import service, untrusted
from sensorpi.common.files import render
from sensorpi.pipeline.job.raw_log import RawLog
from sensorpi.pipeline.job.record_batches import Batch, Plain, messages
from sensorpi.pipeline.job.records import Message

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
