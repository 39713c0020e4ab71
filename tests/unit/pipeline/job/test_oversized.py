"""Batches that expand to more than a JVM's heap are found, and read in little memory."""

import gzip
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from kafka.record.default_records import DefaultRecordBatchBuilder
from pytest_mock import MockerFixture

from sensorpi.pipeline.job import oversized
from sensorpi.pipeline.job.oversized import LARGEST_EXPANDED_BYTES, Starts, find, read
from sensorpi.pipeline.job.raw_log import RawLog
from sensorpi.pipeline.job.record_batches import Batch, Plain, batches, messages
from sensorpi.pipeline.job.records import LARGEST_BYTES, Message, pack, unpack

NOW_MS = 1_700_000_000_000
GZIP = 1

Record = tuple[bytes | None, bytes | None]


def made(*records: Record, codec: int = 0, first: int = 0, transactional: bool = False, producer: int = -1) -> bytes:
    """A record batch, as a broker returns it."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=codec, is_transactional=transactional, producer_id=producer, producer_epoch=0,
        base_sequence=0, batch_size=2**30,
    )  # fmt: skip
    for offset, (key, value) in enumerate(records):
        builder.append(offset, NOW_MS + offset, key, value, [("header", b"x" * 300)])
    batch = bytearray(builder.build())
    batch[:8] = first.to_bytes(8)  # which the broker does, and the checksum does not cover
    return bytes(batch)


class Gunzipped:
    """A batch's records, decompressed in Python; the job has a JVM do that."""

    def __init__(self, _jvm: Any, batch: Batch) -> None:
        assert batch.codec == GZIP
        self._stream = gzip.GzipFile(fileobj=BytesIO(batch.payload))
        self.largest_read = 0

    def read(self, size: int, /) -> bytes:
        assert size <= LARGEST_BYTES
        return self._stream.read(size)

    def skip(self, size: int, /) -> None:
        while size:
            some = len(self._stream.read(min(size, 65_536)))
            if not some:
                raise EOFError
            size -= some


class FakeLog(RawLog):
    """A partition of batches, fetched one by one. ``aborts``: (producer id, first offset, its marker)."""

    def __init__(self, *data: bytes, aborts: list[tuple[int, int, int]] | None = None) -> None:
        self._data = data
        self._aborts = aborts or []

    def _fetch(self, _partition: int, offset: int) -> tuple[bytes, list[tuple[int, int]]]:
        for data in self._data:
            [batch] = batches(data)
            if offset <= batch.last_offset:
                return data, [each[:2] for each in self._aborts if each[1] <= batch.last_offset and offset <= each[2]]
        return b"", []


@pytest.fixture(autouse=True)
def _python_decompresses(mocker: MockerFixture) -> None:
    mocker.patch.object(oversized, "JvmStream", Gunzipped)


BOMB = b"x" * (LARGEST_EXPANDED_BYTES + 1)
RECORDS: list[Record] = [(b"k", b"v"), (None, b""), (b"", None), (None, None), (b"k" * 200, b"v" * 70_000)]


@pytest.mark.parametrize("codec", [0, GZIP])
def test_the_messages_of_a_batch_are_read_as_they_were_sent(codec: int) -> None:
    [batch] = batches(made(*RECORDS, codec=codec, first=1_000))
    assert (batch.first_offset, batch.last_offset, batch.codec) == (1_000, 1_004, codec)
    stream = Gunzipped(None, batch) if codec else Plain.of(batch)
    expected = [Message(3, 1_000 + n, NOW_MS + n, key, value) for n, (key, value) in enumerate(RECORDS)]
    assert list(messages(batch, 3, stream)) == expected


def test_of_a_message_that_is_too_large_only_the_size_is_kept() -> None:
    [batch] = batches(made((b"a", b"1"), (b"key", BOMB), (b"b" * LARGEST_BYTES, b"1"), (b"c", b"2"), codec=GZIP))
    found = list(messages(batch, 0, Gunzipped(None, batch)))
    assert [message.left_out_bytes for message in found] == [0, 3 + len(BOMB), LARGEST_BYTES + 1, 0]
    assert [message.value for message in found] == [b"1", None, None, b"2"]
    assert [unpack(pack(message)) for message in found] == found


@pytest.mark.parametrize("cut", [1, 30, 61, 100])
def test_a_truncated_batch_at_the_end_is_left_out(cut: int) -> None:
    whole, cut_off = made(*RECORDS), made(*RECORDS, first=5)[:cut]
    assert [batch.first_offset for batch in batches(whole + cut_off)] == [0]


def test_aborted_transactions_and_markers_are_passed_over() -> None:
    def transaction(first: int, producer: int) -> bytes:
        return made((None, b"t"), first=first, transactional=True, producer=producer)

    marker = bytearray(transaction(3, 7))
    marker[22] |= 0b10_0000
    log = FakeLog(
        transaction(0, 7), transaction(1, 8), made((None, b"plain"), first=2), bytes(marker), transaction(4, 7),
        aborts=[(7, 0, 3)],
    )  # fmt: skip
    assert [batch.first_offset for batch in log.batches(0, 0)] == [1, 2, 4]


def test_the_range_up_to_the_last_oversized_batch_is_read() -> None:
    log = FakeLog(
        made((None, b"0"), (None, b"1")),
        made((None, b"2"), (None, BOMB), (None, b"4"), codec=GZIP, first=2),
        made((None, b"5" * 1_000_000), first=5),
    )
    assert find(None, log, {0: 1, 1: 6}, most=100) == {0: 5}
    assert find(None, log, {0: 1}, most=1) == {}
    too_large: dict[int, int] = {}
    found = list(read(None, log, 0, 1, 5, too_large))
    assert [message.value for message in found] == [b"1", b"2", None, b"4"]
    assert too_large == {3: len(BOMB)}


def test_many_messages_that_are_too_large_together_are_found() -> None:
    some = [(None, b"x" * 1_000_000)] * 20
    assert find(None, FakeLog(made(*some, codec=GZIP)), {0: 0}, most=100) == {0: 20}


def test_starts_at_the_same_offsets_are_counted_over_restarts(tmp_path: Path) -> None:
    def counts() -> Iterator[int]:
        for positions in ({0: 5, 1: 7}, {0: 5, 1: 7}, {0: 5, 1: 7}, {0: 6, 1: 7}, {0: 6, 1: 7}):
            yield Starts(tmp_path).count(positions)
        (tmp_path / "starts.json").write_text("{")
        yield Starts(tmp_path).count({0: 6, 1: 7})

    assert list(counts()) == [1, 2, 3, 2, 3, 1]
    Starts(tmp_path).forget()
    assert Starts(tmp_path).count({0: 6, 1: 7}) == 1
