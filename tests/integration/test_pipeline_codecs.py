"""The driver reads batches of every codec through its JVM in little memory, also those that expand to 150 MB."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from pyspark.java_gateway import launch_gateway

from onebox.home import ROOT
from sensorpi.pipeline.job.oversized import JvmStream, find
from sensorpi.pipeline.job.raw_log import RawLog
from sensorpi.pipeline.job.record_batches import Batch, batches, messages

pytestmark = pytest.mark.timeout(120)

BOMB_BYTES = 150_000_000


@pytest.fixture(scope="module")
def gateway() -> Iterator[Any]:
    """A JVM with Spark's and Kafka's classes, as the job's, but with a heap for making the bombs."""
    jars = ROOT / ".cache/jars/spark"
    arguments = f"--driver-memory 1000m --driver-class-path {jars}/* pyspark-shell"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_SUBMIT_ARGS", arguments)
        gateway = launch_gateway()  # type: ignore[no-untyped-call]
    yield gateway
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(timeout=30)


class OneBatch(RawLog):
    def __init__(self, data: bytes) -> None:
        self._data = data

    def _fetch(self, _partition: int, offset: int) -> tuple[bytes, list[tuple[int, int]]]:
        return (self._data if offset < 3 else b""), []


def made(gateway: Any, codec: str, middle: Any) -> bytes:
    """A batch of three messages, as Kafka's own producer makes it."""
    record = gateway.jvm.org.apache.kafka.common.record
    buffer = gateway.jvm.java.nio.ByteBuffer
    headers = gateway.new_array(gateway.jvm.org.apache.kafka.common.header.Header, 0)
    records = gateway.new_array(record.SimpleRecord, 3)
    for number, value in enumerate((buffer.wrap(b"first"), middle, buffer.wrap(b"last"))):
        records[number] = record.SimpleRecord(1_700_000_000_000, buffer.wrap(b"key"), value, headers)
    made = record.MemoryRecords.withRecords(record.CompressionType.forName(codec), records)
    return bytes(made.buffer().array()[: made.sizeInBytes()])


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_a_batch_of_every_codec_is_read(gateway: Any, codec: str) -> None:
    value = os.urandom(200_000)
    data = made(gateway, codec, gateway.jvm.java.nio.ByteBuffer.wrap(value))
    [batch] = batches(data)
    assert batch.codec
    found = list(messages(batch, 0, JvmStream(gateway.jvm, batch)))
    assert [message.value for message in found] == [b"first", value, b"last"]
    assert {message.key for message in found} == {b"key"}
    assert find(gateway.jvm, OneBatch(data), {0: 0}, most=10) == {}


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_a_bomb_of_every_codec_is_found_and_skipped(gateway: Any, codec: str) -> None:
    data = made(gateway, codec, gateway.jvm.java.nio.ByteBuffer.allocate(BOMB_BYTES))
    assert len(data) < BOMB_BYTES // 10
    [batch] = batches(data)
    assert find(gateway.jvm, OneBatch(data), {0: 0}, most=10) == {0: 3}
    found = list(messages(batch, 0, JvmStream(gateway.jvm, batch)))
    assert [(message.value, message.left_out_bytes) for message in found] == [
        (b"first", 0), (None, BOMB_BYTES + 3), (b"last", 0),
    ]  # fmt: skip


def test_the_heads_of_batches_are_read_as_kafka_reads_them(gateway: Any) -> None:
    [batch] = batches(made(gateway, "gzip", gateway.jvm.java.nio.ByteBuffer.wrap(b"x")))
    assert isinstance(batch, Batch)
    assert (batch.first_offset, batch.last_offset, batch.records, batch.appended_ms) == (0, 2, 3, None)
