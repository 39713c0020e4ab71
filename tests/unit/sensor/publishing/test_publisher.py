"""The publisher against a Kafka that the test plays: deadline, order, spool, rebuilding, bounds."""

import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from sensorpi.common.daemon.outage import Outage
from sensorpi.common.reading import Reading
from sensorpi.sensor.publishing import publisher as publisher_module
from sensorpi.sensor.publishing.producer import UnreachableError
from sensorpi.sensor.publishing.publisher import Publisher
from sensorpi.sensor.publishing.spool import Entry, Spool


def entry(number: int, sensor: str = "S", host: str = "h") -> Entry:
    """A reading whose sequence and timestamp are ``number``."""
    return Entry(sensor, "b", number, Reading(sensor, host, "b", number, number, {"temperature": 20.0}).to_json())


class Message:
    """A message on its way, whose fate the test decides."""

    def __init__(self) -> None:
        self.fate: bool | None = None
        self.exception = RuntimeError("not this time")

    @property
    def is_done(self) -> bool:
        return self.fate is not None

    def succeeded(self) -> bool:
        return bool(self.fate)


class FakeKafka:
    """Keeps what is sent, in order. ``answers``: True acknowledges at once, False fails, None stays silent."""

    def __init__(self) -> None:
        self.reachable, self.takes = True, True
        self.answers: bool | None = True
        self.log: list[int] = []
        self.keys: list[bytes] = []
        self.producers: list[FakeProducer] = []
        self.most_in_flight = 0

    def connect(self) -> "FakeProducer":
        if not self.reachable:
            raise UnreachableError("connection refused")
        self.producers.append(FakeProducer(self))
        return self.producers[-1]


class FakeProducer:
    def __init__(self, kafka: FakeKafka) -> None:
        self.kafka, self.messages, self.closed = kafka, list[Message](), False

    def send(self, key: bytes, value: bytes, when_done: Callable[[], None]) -> Message:
        if not self.kafka.takes:
            raise UnreachableError("no metadata")
        message = Message()
        self.messages.append(message)
        if self.kafka.answers is not None:
            message.fate = self.kafka.answers
        if self.kafka.answers:
            self.kafka.log.append(json.loads(value)["sequence"])
            self.kafka.keys.append(key)
        on_the_way = sum(not message.is_done for message in self.messages)
        self.kafka.most_in_flight = max(self.kafka.most_in_flight, on_the_way)
        return message

    def close(self) -> None:
        self.closed = True


class Bench:
    """A publisher whose rounds the test turns by hand, and whose clock it sets."""

    def __init__(self, directory: Path, can_wait: bool = False) -> None:
        self.kafka, self.spool = FakeKafka(), Spool(directory)
        self.acknowledged: list[int] = []
        self.spooled: list[int] = []
        self.publisher = Publisher(
            self.kafka.connect,
            self.spool,
            Outage("Kafka", logging.getLogger("test"), first_s=1.0, longest_s=5.0),
            can_wait=can_wait,
            acknowledged=lambda entries: self.acknowledged.extend(each.timestamp_ms for each in entries),
            spooled=self.spooled.append,
        )
        self.now_s = 1000.0
        self._next = 1

    def submit(self, count: int) -> None:
        for number in range(self._next, self._next + count):
            self.publisher.submit(entry(number))
        self._next += count

    def rounds(self, count: int = 5, each_s: float = 0.0) -> None:
        for _ in range(count):
            self.now_s += each_s
            self.publisher.step()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path)
    monkeypatch.setattr(time, "monotonic", lambda: bench.now_s)
    return bench


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path, can_wait=True)
    monkeypatch.setattr(time, "monotonic", lambda: bench.now_s)
    return bench


def test_readings_are_sent_to_kafka_and_not_spooled(bench: Bench, tmp_path: Path) -> None:
    bench.submit(3)
    bench.rounds()
    assert bench.kafka.log == bench.acknowledged == [1, 2, 3]
    assert list(tmp_path.iterdir()) == []
    assert bench.publisher.waiting == 0


def test_the_key_names_host_and_sensor_also_from_a_spool(bench: Bench) -> None:
    bench.spool.append([entry(1, host="pi1"), entry(2, host="pi2"), entry(3, sensor="T", host="pi1")])
    bench.rounds()
    bench.publisher.submit(entry(4, host="pi1"))
    bench.rounds()
    assert bench.kafka.keys == [b"pi1/S", b"pi2/S", b"pi1/T", b"pi1/S"]


@pytest.mark.parametrize("message", [b"", b"\xff", b'{"host":"h"', b"[]", b'{"sensor":"S"}'])
def test_a_damaged_reading_from_the_spool_still_has_a_key(message: bytes) -> None:
    assert Entry("S", "b", 1, message).key == b"S"


def test_a_reading_counts_only_once_it_is_acknowledged(bench: Bench) -> None:
    bench.kafka.answers = None
    bench.submit(2)
    bench.rounds()
    assert bench.acknowledged == []
    assert bench.publisher.waiting == 2
    bench.kafka.producers[0].messages[0].fate = True
    bench.rounds()
    assert bench.acknowledged == [1]


def test_within_the_deadline_silence_is_waited_out_in_memory(bench: Bench, tmp_path: Path) -> None:
    bench.kafka.answers = None
    bench.submit(2)
    bench.rounds(9, each_s=1.0)
    assert list(tmp_path.iterdir()) == []
    assert len(bench.kafka.producers) == 1


def test_after_the_deadline_readings_are_spooled(bench: Bench) -> None:
    bench.kafka.answers = None
    bench.submit(3)
    bench.rounds(1)
    bench.rounds(1, each_s=10.1)
    assert bench.kafka.producers[0].closed
    assert bench.spooled == [3]
    bench.kafka.answers = True
    bench.rounds(5, each_s=1.0)
    assert len(bench.kafka.producers) == 2
    assert bench.acknowledged == [1, 2, 3]
    assert bench.publisher.waiting == 0


def test_new_readings_go_behind_those_in_the_spool(bench: Bench) -> None:
    bench.kafka.answers = None
    bench.submit(3)
    bench.rounds(1)
    bench.rounds(1, each_s=10.1)
    bench.submit(2)
    bench.rounds(2, each_s=0.1)
    bench.kafka.answers = True
    bench.submit(1)
    bench.rounds(8, each_s=1.0)
    bench.submit(1)
    bench.rounds()
    assert bench.kafka.log == [1, 2, 3, 4, 5, 6, 7]


def test_a_failed_message_takes_those_behind_it_along_in_order(bench: Bench) -> None:
    bench.kafka.answers = None
    bench.submit(4)
    bench.rounds(1)
    for message, fate in zip(bench.kafka.producers[0].messages, (True, False, True, None), strict=True):
        message.fate = fate
    bench.rounds(1)
    assert bench.acknowledged == [1]
    bench.kafka.answers = True
    bench.rounds(5, each_s=1.0)
    assert bench.kafka.log == [2, 3, 4]
    assert bench.acknowledged == [1, 2, 3, 4]


def test_a_send_that_is_refused_loses_nothing(bench: Bench) -> None:
    bench.kafka.takes = False
    bench.submit(3)
    bench.rounds(3, each_s=0.1)
    bench.kafka.takes = True
    bench.rounds(5, each_s=2.0)
    assert bench.acknowledged == [1, 2, 3]


def test_kafka_down_at_start_is_logged_once_and_readings_spooled(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.kafka.reachable = False
    for _ in range(30):
        bench.submit(1)
        bench.rounds(1, each_s=1.0)
    assert len(bench.spool) == 30
    assert len(caplog.records) == 1
    bench.kafka.reachable = True
    bench.rounds(10, each_s=1.0)
    assert bench.acknowledged == list(range(1, 31))
    assert len(caplog.records) == 2


def test_connecting_is_retried_after_at_most_five_seconds(bench: Bench) -> None:
    bench.kafka.reachable = False
    tries: list[float] = []
    connect = bench.publisher._connect

    def counted() -> FakeProducer:
        tries.append(bench.now_s)
        return connect()  # type: ignore[return-value]

    bench.publisher._connect = counted
    bench.submit(1)
    bench.rounds(600, each_s=0.1)
    gaps = [round(later - earlier, 1) for earlier, later in itertools.pairwise(tries)]
    assert gaps[:3] == pytest.approx([1, 2, 4], abs=0.11)
    assert max(gaps) <= 5.1


def test_a_new_run_sends_what_the_last_one_left_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Spool(tmp_path).append([entry(-number) for number in (3, 2, 1)])
    bench = Bench(tmp_path)
    monkeypatch.setattr(time, "monotonic", lambda: bench.now_s)
    bench.submit(2)
    bench.rounds(10)
    assert bench.kafka.log == [-3, -2, -1, 1, 2]
    assert list(tmp_path.iterdir()) == []


def test_a_long_spool_is_sent_in_portions_and_whole(bench: Bench) -> None:
    bench.spool.append([entry(-number) for number in range(1700, 0, -1)])
    bench.rounds(20)
    assert bench.kafka.log == list(range(-1700, 0))


def test_a_spool_whose_replay_is_cut_short_is_sent_again(bench: Bench) -> None:
    bench.spool.append([entry(number) for number in range(100, 103)])
    bench.kafka.answers = None
    bench.rounds(1)
    bench.rounds(1, each_s=10.1)
    bench.kafka.answers = True
    bench.rounds(5, each_s=1.0)
    assert bench.kafka.log == bench.acknowledged == [100, 101, 102]


def test_spooled_messages_are_not_sent_again_while_pending(bench: Bench) -> None:
    bench.spool.append([entry(number) for number in range(3)])
    bench.kafka.answers = None
    bench.rounds(5)
    assert len(bench.kafka.producers[0].messages) == 3


def test_messages_in_flight_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "MOST_IN_FLIGHT", 10)
    bench.kafka.answers = None
    bench.submit(50)
    bench.rounds(5)
    assert bench.kafka.most_in_flight == 10


def test_submit_wants_room_but_for_the_last_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "MOST_WAITING", 5)
    bench.submit(5)
    assert not bench.publisher.submit(entry(6))
    assert bench.publisher.submit(entry(6), regardless=True)
    bench.rounds()
    assert bench.acknowledged == [1, 2, 3, 4, 5, 6]


def test_a_recording_waits_for_kafka_and_fills_no_spool(patient: Bench) -> None:
    patient.kafka.reachable = False
    patient.submit(20)
    patient.rounds(20, each_s=1.0)
    assert len(patient.spool) == 0
    assert patient.publisher.waiting == 20
    patient.kafka.reachable = True
    patient.rounds(8, each_s=1.0)
    assert patient.acknowledged == list(range(1, 21))


def test_a_failing_disk_keeps_readings_in_memory_and_loses_none(
    bench: Bench, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    bench.kafka.reachable = False
    mocker.patch.object(bench.spool, "append", side_effect=OSError("disk is full"))
    for _ in range(10):
        bench.submit(1)
        bench.rounds(1, each_s=1.0)
    mocker.stopall()
    assert len(caplog.records) == 2  # Kafka, and the disk
    bench.kafka.reachable = True
    bench.rounds(60, each_s=1.0)
    assert bench.acknowledged == list(range(1, 11))


def test_order_is_kept_when_kafka_fails_with_readings_in_memory(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture
) -> None:
    monkeypatch.setattr(publisher_module, "MOST_IN_FLIGHT", 3)
    bench.kafka.reachable = False
    mocker.patch.object(bench.spool, "append", side_effect=OSError("disk is full"))
    bench.submit(6)
    bench.rounds(1)
    bench.kafka.reachable, bench.kafka.answers = True, None
    bench.rounds(2, each_s=2.0)
    bench.submit(2)
    bench.rounds(1, each_s=10.1)
    bench.kafka.answers = True
    bench.rounds(30, each_s=1.0)
    mocker.stopall()
    bench.rounds(30, each_s=1.0)
    assert bench.acknowledged == [1, 2, 3, 4, 5, 6, 7, 8]


def test_without_kafka_and_disk_the_oldest_in_memory_are_dropped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(publisher_module, "MOST_IN_MEMORY", 5)
    bench.kafka.reachable = False
    mocker.patch.object(bench.spool, "append", side_effect=OSError("disk is full"))
    for _ in range(200):
        bench.submit(1)
        bench.rounds(1, each_s=1.0)
    mocker.stopall()
    assert bench.publisher.waiting <= 35  # 5, and what came since the disk was last tried
    assert sum("the oldest are dropped" in message for message in caplog.messages) == 1
    bench.kafka.reachable = True
    bench.rounds(60, each_s=1.0)
    assert bench.acknowledged[-1] == 200
    assert bench.acknowledged == sorted(bench.acknowledged)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Bench]:
    """A publisher in its thread, in real time."""
    bench = Bench(tmp_path)
    bench.publisher.start()
    yield bench
    if bench.publisher._thread.is_alive():
        bench.publisher.close(0)


def test_a_clean_stop_delivers_what_is_left(running: Bench) -> None:
    running.submit(500)
    running.publisher.close(5)
    assert running.kafka.log == list(range(1, 501))
    assert running.kafka.producers[0].closed


def test_a_clean_stop_without_kafka_spools_everything_in_order(running: Bench, tmp_path: Path) -> None:
    running.kafka.answers = None
    running.submit(5)
    running.publisher.close(0.2)
    assert running.publisher.waiting == 5
    assert [entry.timestamp_ms for _, entry in Spool(tmp_path).first(10)] == [1, 2, 3, 4, 5]


def test_a_recordings_stop_without_kafka_keeps_what_was_taken(tmp_path: Path) -> None:
    bench = Bench(tmp_path, can_wait=True)
    bench.kafka.reachable = False
    bench.publisher.start()
    bench.submit(5)
    bench.publisher.close(0.2)
    assert [entry.timestamp_ms for _, entry in Spool(tmp_path).first(10)] == [1, 2, 3, 4, 5]


def test_a_bug_in_the_thread_is_not_swallowed(running: Bench) -> None:
    def broken() -> FakeProducer:
        raise ZeroDivisionError

    running.publisher._connect = broken
    running.submit(1)
    running.publisher._thread.join(5)
    with pytest.raises(ZeroDivisionError):
        running.publisher.check()
    with pytest.raises(ZeroDivisionError):
        running.publisher.close(0)
