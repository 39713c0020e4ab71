"""The publisher against a Kafka that the test plays: deadline, order, spool, rebuilding, bounds."""

import itertools
import json
import logging
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from pytest_mock import MockerFixture

from sensorpi.common.daemon.outage import Outage
from sensorpi.common.reading import Reading
from sensorpi.sensor.publishing import publisher as publisher_module
from sensorpi.sensor.publishing import store as store_module
from sensorpi.sensor.publishing.link import Sent
from sensorpi.sensor.publishing.producer import Settled, UnreachableError
from sensorpi.sensor.publishing.publisher import Publisher
from sensorpi.sensor.publishing.spool import Spool
from sensorpi.sensor.publishing.store import Store
from sensorpi.sensor.stamping.clock import Clock
from sensorpi.sensor.stamping.entry import Entry, Taken
from sensorpi.sensor.stamping.stamps import LatestTimestamps, Stamper


def entry(number: int, sensor: str = "S", host: str = "h") -> Entry:
    """A reading whose sequence and timestamp are ``number``."""
    return Entry(sensor, "b", number, Reading(sensor, host, "b", number, number, {"temperature": 20.0}).to_json())


def opened(directory: Path) -> Spool:
    spool = Spool(directory)
    spool.open()
    return spool


def copied(directory: Path) -> list[int]:
    """The sequences in a copy of the spool's files, as another process finds them after a power cut."""
    with tempfile.TemporaryDirectory() as folder:
        for file in directory.glob("spool.sqlite3*"):
            shutil.copy(file, folder)
        spool = opened(Path(folder))
        entries = spool.take(1_000_000)
        spool.close()
    return [json.loads(each.message)["sequence"] for _, each in entries]


class FakeKafka:
    """Keeps what is sent, in order. ``answers``: True acknowledges at once, False fails, None stays silent."""

    def __init__(self) -> None:
        self.reachable, self.takes = True, True
        self.answers: bool | None = True
        self.append_ms: int | None = None
        self.log: list[int] = []
        self.timestamps: list[int] = []
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
        self.kafka, self.messages, self.closed = kafka, list[Settled | None](), False

    def send(self, key: bytes, value: bytes, settled: Settled) -> None:
        if not self.kafka.takes:
            raise UnreachableError("no metadata")
        self.messages.append(settled)
        if self.kafka.answers:
            content = json.loads(value)
            self.kafka.log.append(content["sequence"])
            self.kafka.timestamps.append(content["timestamp"])
            self.kafka.keys.append(key)
        if self.kafka.answers is not None:
            self.settle(-1, self.kafka.answers)
        on_the_way = sum(settled is not None for settled in self.messages)
        self.kafka.most_in_flight = max(self.kafka.most_in_flight, on_the_way)

    def settle(self, index: int, is_acknowledged: bool) -> None:
        """Decide the fate of a message on its way."""
        settled, self.messages[index] = self.messages[index], None
        assert settled is not None
        settled(self.kafka.append_ms, None if is_acknowledged else RuntimeError("not this time"))

    def close(self) -> None:
        self.closed = True


class FakeLink:
    """A link without a thread: what it does is done at once."""

    def __init__(self, connect: Callable[[], FakeProducer], _wake: Callable[[], None]) -> None:
        self.is_connected = False
        self.failure: BaseException | None = None
        self.producer: FakeProducer | None = None
        try:
            self.producer = connect()
            self.is_connected = True
        except UnreachableError as error:
            self.failure = error

    def send(self, key: bytes, value: bytes) -> Sent:
        sent = Sent()

        def settled(append_ms: int | None, error: BaseException | None) -> None:
            sent.append_ms, sent.error, sent.is_done = append_ms, error, True
            sent.acknowledged_ns = time.monotonic_ns()

        assert self.producer is not None
        try:
            self.producer.send(key, value, settled)
        except UnreachableError as error:
            self.failure = error
        return sent

    def close(self) -> None:
        if self.producer is not None:
            self.producer.close()

    def wait(self, _timeout_s: float) -> bool:
        return True


class Bench:
    """A publisher whose rounds the test turns by hand, and whose clock it sets."""

    def __init__(self, directory: Path, can_wait: bool = False) -> None:
        self.kafka, self.spool = FakeKafka(), Spool(directory)
        self.acknowledged: list[int] = []
        self.spooled: list[int] = []
        self.clock = Clock(trusted=True)
        self.latest = LatestTimestamps(None, directory)
        stamper = Stamper(self.clock, self.latest, "0f")
        self.store = Store(self.spool, stamper, self)  # type: ignore[arg-type]
        self.publisher = Publisher(
            self.kafka.connect,
            self.store,
            stamper,
            Outage("Kafka", logging.getLogger("test"), first_s=1.0, longest_s=5.0),
            can_wait=can_wait,
            acknowledged=lambda entries: self.acknowledged.extend(
                json.loads(each.message)["sequence"] for each in entries
            ),
        )
        self.now_s = 1000.0
        self._next = 1

    def emit(self, _event: str, count: int) -> None:
        self.spooled.append(count)

    def flush(self) -> None: ...

    def read(self, entry: Entry) -> None:
        """A reading has its timestamp."""

    held = read

    @property
    def waiting(self) -> int:
        return self.publisher.on_disk + self.publisher.in_memory

    def submit(self, count: int) -> None:
        for number in range(self._next, self._next + count):
            self.publisher.submit(entry(number))
        self._next += count

    def rounds(self, count: int = 5, each_s: float = 0.0) -> None:
        for _ in range(count):
            self.now_s += each_s
            self.publisher.step()

    def outage(self) -> None:
        """A message is acknowledged, and then no more."""
        self.submit(1)
        self.rounds(2)
        self.kafka.answers = None


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path)
    monkeypatch.setattr(time, "monotonic", lambda: bench.now_s)
    monkeypatch.setattr(publisher_module, "Link", FakeLink)
    return bench


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path, can_wait=True)
    monkeypatch.setattr(time, "monotonic", lambda: bench.now_s)
    monkeypatch.setattr(publisher_module, "Link", FakeLink)
    return bench


def test_readings_are_sent_to_kafka_and_not_spooled(bench: Bench, tmp_path: Path) -> None:
    bench.submit(3)
    bench.rounds()
    assert bench.kafka.log == bench.acknowledged == [1, 2, 3]
    assert list(tmp_path.iterdir()) == []
    assert bench.waiting == 0


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
    bench.outage()
    bench.submit(2)
    bench.rounds()
    assert bench.acknowledged == [1]
    assert bench.waiting == 2
    bench.kafka.producers[0].settle(1, True)
    bench.rounds()
    assert bench.acknowledged == [1, 2]


def test_short_silence_is_waited_out_in_memory(bench: Bench, tmp_path: Path) -> None:
    bench.outage()
    bench.submit(2)
    bench.rounds(3, each_s=0.09)
    assert list(tmp_path.iterdir()) == []
    bench.kafka.producers[0].settle(1, True)
    bench.kafka.producers[0].settle(2, True)
    bench.rounds(10, each_s=0.1)
    assert bench.spooled == []
    assert bench.waiting == 0


@pytest.mark.parametrize("answers", [None, False])
def test_longer_silence_brings_readings_to_the_disk(bench: Bench, tmp_path: Path, answers: bool | None) -> None:
    bench.outage()
    bench.kafka.answers = answers
    for _ in range(30):
        bench.submit(1)
        bench.rounds(1, each_s=0.1)
    assert len(bench.spool) >= 25
    assert bench.publisher.in_memory <= 5
    assert len(copied(tmp_path)) == len(bench.spool)


def test_a_late_answer_removes_readings_from_the_disk(bench: Bench, tmp_path: Path) -> None:
    bench.outage()
    bench.submit(2)
    bench.rounds(2, each_s=0.6)
    assert bench.publisher.on_disk == 2
    bench.submit(1)
    bench.rounds(1)
    for message in (1, 2, 3):
        bench.kafka.producers[0].settle(message, True)
    bench.rounds(2)
    assert bench.acknowledged == [1, 2, 3, 4]
    assert list(tmp_path.iterdir()) == []
    assert len(bench.kafka.producers) == 1


def test_after_the_deadline_the_producer_is_replaced(bench: Bench) -> None:
    bench.outage()
    bench.submit(3)
    bench.rounds(2, each_s=0.6)
    bench.rounds(1, each_s=10.1)
    assert bench.kafka.producers[0].closed
    assert bench.spooled == [3]
    bench.kafka.answers = True
    bench.rounds(5, each_s=1.0)
    assert len(bench.kafka.producers) == 2
    assert bench.acknowledged == [1, 2, 3, 4]
    assert bench.waiting == 0


def test_new_readings_go_behind_those_in_the_spool(bench: Bench) -> None:
    bench.outage()
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
    assert bench.kafka.log == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_failed_message_takes_those_behind_it_along_in_order(bench: Bench) -> None:
    bench.outage()
    bench.submit(4)
    bench.rounds(1)
    for message, is_acknowledged in ((1, True), (2, False), (3, True)):
        bench.kafka.producers[0].settle(message, is_acknowledged)
    bench.rounds(1)
    assert bench.acknowledged == [1, 2]
    bench.kafka.answers = True
    bench.rounds(5, each_s=1.0)
    assert bench.kafka.log == [1, 3, 4, 5]
    assert bench.acknowledged == [1, 2, 3, 4, 5]


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
        bench.rounds(2, each_s=0.5)
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
    assert max(gaps) <= 5.3


def test_a_new_run_sends_what_the_last_one_left_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)
    spool.append([entry(-number) for number in (3, 2, 1)])
    spool.close()
    bench = Bench(tmp_path)
    monkeypatch.setattr(time, "monotonic", lambda: bench.now_s)
    monkeypatch.setattr(publisher_module, "Link", FakeLink)
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
    bench.outage()
    bench.spool.append([entry(number) for number in range(5, 8)])
    bench.rounds(5)
    assert len(bench.kafka.producers[0].messages) == 1 + 3


def test_messages_in_flight_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "MOST_IN_FLIGHT", 10)
    bench.outage()
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
    assert patient.waiting == 20
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
    monkeypatch.setattr(store_module, "MOST_IN_MEMORY", 5)
    bench.kafka.reachable = False
    mocker.patch.object(bench.spool, "append", side_effect=OSError("disk is full"))
    for _ in range(200):
        bench.submit(1)
        bench.rounds(1, each_s=1.0)
    mocker.stopall()
    assert bench.waiting <= 35  # 5, and what came since the disk was last tried
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
    assert running.waiting == 5
    assert [entry.timestamp_ms for _, entry in opened(tmp_path).take(10)] == [1, 2, 3, 4, 5]


def test_a_recordings_stop_without_kafka_keeps_what_was_taken(tmp_path: Path) -> None:
    bench = Bench(tmp_path, can_wait=True)
    bench.kafka.reachable = False
    bench.publisher.start()
    bench.submit(5)
    bench.publisher.close(0.2)
    assert [entry.timestamp_ms for _, entry in opened(tmp_path).take(10)] == [1, 2, 3, 4, 5]


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


class FailingDisk:
    """Fails what writes to the spool, or all of it."""

    def __init__(self, bench: Bench, mocker: MockerFixture, *methods: str) -> None:
        self.mocker = mocker
        for method in methods:
            mocker.patch.object(bench.spool, method, side_effect=OSError("the disk is full"))

    def is_back(self) -> None:
        self.mocker.stopall()


def test_with_a_failing_disk_readings_are_sent_directly(
    bench: Bench, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    bench.outage()
    disk = FailingDisk(bench, mocker, "append", "check")
    bench.submit(5)
    bench.rounds(10, each_s=0.2)
    bench.kafka.answers = True
    for message in range(1, 6):
        bench.kafka.producers[0].settle(message, True)
    for _ in range(20):
        bench.submit(1)
        bench.rounds(3, each_s=0.2)
        assert bench.waiting == 0
    assert bench.kafka.log == [1, *range(7, 27)]
    assert bench.acknowledged == list(range(1, 27))
    assert caplog.messages == [f"{bench.spool.path} is down: the disk is full. Retrying until it is back."]
    disk.is_back()
    bench.rounds(30, each_s=0.5)
    assert len(caplog.messages) == 2
    assert "is back after" in caplog.messages[1]


def test_a_spool_that_cannot_shrink_is_sent_once(bench: Bench, mocker: MockerFixture) -> None:
    bench.kafka.reachable = False
    for _ in range(2):
        bench.submit(650)
        bench.rounds(4, each_s=0.3)
    assert bench.publisher.on_disk == 1300
    disk = FailingDisk(bench, mocker, "_delete", "check")
    bench.kafka.reachable = True
    for _ in range(40):
        bench.rounds(1, each_s=0.5)
        assert bench.publisher.on_disk == 1300 - len(bench.acknowledged) >= 0
    assert bench.kafka.log == list(range(1, 1301))
    disk.is_back()
    bench.submit(2)
    bench.rounds(4, each_s=0.5)
    assert bench.kafka.log == list(range(1, 1303))
    assert bench.waiting == 0


def test_readings_are_sent_while_the_spool_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path)
    spool.append([entry(-number) for number in (3, 2, 1)])
    spool.close()
    with closing(sqlite3.connect(spool.path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
        bench = Bench(tmp_path)
        monkeypatch.setattr(time, "monotonic", lambda: bench.now_s)
        monkeypatch.setattr(publisher_module, "Link", FakeLink)
        bench.submit(5)
        bench.rounds(5)
        assert bench.kafka.log == [1, 2, 3, 4, 5]
        assert bench.store.disk.down
    bench.rounds(10, each_s=1.0)
    assert bench.kafka.log == [1, 2, 3, 4, 5, -3, -2, -1]
    assert [message.split(": ")[-1] for message in caplog.messages[:1]] == [
        "another process has locked it. Retrying until it is back."
    ]
    assert len(caplog.messages) == 2
    assert list(tmp_path.iterdir()) == []


def test_what_neither_kafka_nor_the_disk_takes_is_lost(bench: Bench, mocker: MockerFixture) -> None:
    bench.kafka.reachable = False
    FailingDisk(bench, mocker, "append")
    bench.submit(7)
    bench.publisher.start()
    bench.publisher.close(0)
    assert (bench.store.lost, bench.waiting) == (7, 0)


def test_counts_on_disk_and_in_memory_agree_at_every_moment(bench: Bench, tmp_path: Path) -> None:
    random = Random(7)
    for _ in range(300):
        bench.submit(random.randrange(4))
        bench.kafka.answers = random.choice([None, None, True, False])
        bench.kafka.reachable = random.random() < 0.7
        bench.rounds(1, each_s=random.choice([0.0, 0.1, 0.3, 4.0]))
        on_disk = copied(tmp_path)
        assert len(on_disk) == bench.publisher.on_disk
        known = {*on_disk, *bench.acknowledged}
        missing = set(range(1, bench._next)) - known
        assert len(missing) == bench.publisher.in_memory
    bench.kafka.answers, bench.kafka.reachable = True, True
    bench.rounds(40, each_s=1.0)
    assert list(dict.fromkeys(bench.acknowledged)) == list(range(1, bench._next))
    assert bench.waiting == 0


# The clock. A topic's broker tells its time with each acknowledgement.

YEAR_MS = 365 * 24 * 3_600_000


def unstamped(number: int) -> Entry:
    message = Reading("S", "h", "b", number, 0, {}).to_json()
    return Entry("S", "b", None, message, Taken("0f", time.monotonic_ns()))


class Broker:
    """The brokers' clock, which is right, and this machine's, which the test moves."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bench, self.ahead_ms = bench, 0
        true_ns: Callable[[], int] = time.time_ns
        self.now_ms: Callable[[], int] = lambda: true_ns() // 1_000_000
        monkeypatch.setattr(time, "time_ns", lambda: true_ns() + self.ahead_ms * 1_000_000)
        self.sequence = 0

    def turn(self, count: int = 1) -> None:
        """Take readings, one in each round."""
        for _ in range(count):
            self.sequence += 1
            self.bench.publisher.submit(unstamped(self.sequence))
            self.bench.kafka.append_ms = self.now_ms()
            self.bench.rounds(2, each_s=0.3)

    def settle(self) -> None:
        for _ in range(20):
            self.bench.kafka.append_ms = self.now_ms()
            self.bench.rounds(1, each_s=0.5)

    def wrong(self) -> list[int]:
        """The timestamps in Kafka that are far from the time."""
        return [each for each in self.bench.kafka.timestamps if abs(each - self.now_ms()) > 60_000]


@pytest.fixture
def broker(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Broker:
    return Broker(bench, monkeypatch)


def test_a_year_ahead_for_a_while_costs_nothing(bench: Bench, broker: Broker, tmp_path: Path) -> None:
    broker.turn(3)
    broker.ahead_ms = YEAR_MS
    broker.turn(10)
    assert bench.kafka.log == [1, 2, 3]
    assert len(copied(tmp_path)) == bench.publisher.on_disk > 8
    broker.ahead_ms = 0
    broker.turn(3)
    broker.settle()
    assert bench.kafka.log == list(range(1, 17))
    assert broker.wrong() == []
    assert len(set(bench.kafka.timestamps)) == 16
    assert bench.kafka.timestamps == sorted(bench.kafka.timestamps)


def test_a_year_ahead_from_the_start_costs_one_wrong_time(bench: Bench, broker: Broker) -> None:
    broker.ahead_ms = YEAR_MS
    broker.turn(10)
    assert bench.kafka.log == [1]
    broker.ahead_ms = 0
    broker.turn(3)
    broker.settle()
    assert list(dict.fromkeys(bench.kafka.log)) == list(range(1, 14))
    assert len(broker.wrong()) == 1


def test_wrong_times_in_the_spool_are_set_right_before_sending(bench: Bench, broker: Broker) -> None:
    bench.kafka.reachable = False
    broker.ahead_ms = YEAR_MS
    broker.turn(10)
    bench.kafka.reachable = True
    broker.settle()
    assert bench.kafka.log == [1]
    broker.ahead_ms = 0
    broker.turn(2)
    broker.settle()
    assert list(dict.fromkeys(bench.kafka.log)) == list(range(1, 13))
    assert len(broker.wrong()) == 1
    assert len(set(bench.kafka.timestamps)) == 12


def test_readings_without_a_time_are_stamped_after_a_restart(
    bench: Bench, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.turn(1)
    broker.ahead_ms = YEAR_MS
    broker.turn(5)
    bench.publisher.start()
    bench.publisher.close(0)
    broker.ahead_ms = 0
    again = Bench(tmp_path)
    monkeypatch.setattr(time, "monotonic", lambda: again.now_s)
    broker.bench = again
    broker.settle()
    assert again.kafka.log == [2, 3, 4, 5, 6]
    assert broker.wrong() == []


def test_readings_without_a_time_are_set_aside_after_a_reboot(bench: Bench, tmp_path: Path) -> None:
    bench.spool.append([replace(unstamped(1), taken=Taken("another", 5)), entry(2)])
    bench.rounds()
    assert bench.kafka.log == [2]
    assert (tmp_path / "spool.sqlite3.set-aside").exists()


def test_a_brokers_clock_that_was_the_wrong_one_is_asked_again(bench: Bench, broker: Broker) -> None:
    right_ms = broker.now_ms
    broker.turn(2)
    broker.now_ms = lambda: right_ms() - YEAR_MS
    broker.turn(1)
    broker.turn(5)
    assert bench.kafka.log[:3] == [1, 2, 3]
    assert set(bench.kafka.log) == {1, 2, 3}
    broker.now_ms = right_ms
    for _ in range(13):
        broker.settle()
    assert list(dict.fromkeys(bench.kafka.log)) == list(range(1, 9))
    assert broker.wrong() == []
    assert bench.acknowledged == list(range(1, 9))


def test_a_wrong_brokers_time_of_an_earlier_run_is_found_out(bench: Bench, broker: Broker) -> None:
    bench.clock.heard(broker.now_ms() - YEAR_MS, time.monotonic_ns(), time.monotonic_ns())
    broker.turn(5)
    assert bench.kafka.log == []
    for _ in range(7):
        broker.settle()
    assert bench.kafka.log == [1, 2, 3, 4, 5]
    assert broker.wrong() == []
