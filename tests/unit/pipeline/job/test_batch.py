"""The driver retries a batch until it is settled, and logs each outage once."""

import threading

import pytest

from sensorpi.pipeline.influx.client import Endpoint
from sensorpi.pipeline.job import batch
from sensorpi.pipeline.job.batch import BatchSettler, Stopped
from sensorpi.pipeline.job.lines import InfluxUnavailable
from sensorpi.pipeline.job.losses import Losses
from sensorpi.pipeline.job.names import Names
from sensorpi.pipeline.job.sink import Done, Outcome, SinkConfig

CONFIG = SinkConfig(Endpoint("127.0.0.1", 1), "secret", "127.0.0.1:1", 0)


class Impatient(threading.Event):
    """A stop event that is never set, and whose waits take no time but are recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_s: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits_s.append(timeout or 0.0)
        return self.is_set()


def settler(stop: threading.Event | None = None) -> BatchSettler:
    return BatchSettler(CONFIG, stop or Impatient(), Losses(dict[int, int], lambda _line: None))


class Workers:
    """Answers each attempt with the next of the prepared outcomes, and notes what it was asked."""

    def __init__(self, *answers: list[Outcome]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[bool, Done]] = []

    def __call__(self, config: SinkConfig, done: Done) -> list[Outcome]:
        self.asked.append((config.give_up_on_common_cause, done))
        return self.answers.pop(0)


def good(partition: int = 0, first: int = 0, stored: int = 10) -> Outcome:
    return Outcome(partition, first, first + stored, stored=stored, minutes={partition}, newest_ms=partition + 1)


def away(partition: int = 0, part: str = "InfluxDB", reason: str = "no connection") -> Outcome:
    return Outcome(partition, 0, 10, unavailable=(part, reason))


def test_a_batch_without_trouble_is_tried_once() -> None:
    workers = Workers([good(0), good(1, stored=5)])
    result = settler().settle(workers)
    assert (result.stored, result.minutes, result.newest_ms, result.next_offsets) == (15, {0, 1}, 2, {0: 10, 1: 5})
    assert workers.asked == [(False, Done())]


def test_an_outage_is_retried_with_backoff_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    stop = Impatient()
    result = settler(stop).settle(Workers([away()], [away()], [away()], [good()]))
    assert result.stored == 10
    assert stop.waits_s == [0.5, 1.0, 2.0]
    assert [record.getMessage().split(".")[0].split(":")[0] for record in caplog.records] == [
        "InfluxDB is down", "InfluxDB is back after 0 s",
    ]  # fmt: skip


def test_the_delays_have_an_end() -> None:
    stop = Impatient()
    settler(stop).settle(Workers(*[[away()]] * 10, [good()]))
    assert max(stop.waits_s) == 5.0


def test_partitions_that_are_settled_are_not_tried_again() -> None:
    workers = Workers([good(0), away(1)], [good(1)])
    result = settler().settle(workers)
    assert [done.partitions for _, done in workers.asked] == [frozenset(), frozenset({0})]
    assert result.stored == 20


def test_an_outage_of_kafka_is_a_separate_outage(caplog: pytest.LogCaptureFixture) -> None:
    settler().settle(Workers([away(part="Kafka")], [good()]))
    assert caplog.records[0].getMessage().startswith("Kafka is down")


def test_a_stop_during_an_outage_ends_the_wait() -> None:
    stop = Impatient()
    stop.set()
    with pytest.raises(Stopped):
        settler(stop).settle(Workers([away()]))


def test_refusals_for_one_cause_count_as_an_outage_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batch, "COMMON_CAUSE_PATIENCE_S", -1.0)
    workers = Workers([away(reason="it refuses every point")], [good()])
    settler().settle(workers)
    assert [gives_up for gives_up, _ in workers.asked] == [False, True]


def test_dead_letters_that_were_sent_are_not_sent_again() -> None:
    first = Outcome(0, 0, 10, unavailable=("InfluxDB", "no connection"), lettered={(0, 3)})
    second = Outcome(0, 0, 10, unavailable=("InfluxDB", "no connection"), lettered={(0, 5)})
    workers = Workers([first], [second], [good()])
    settler().settle(workers)
    assert [set(done.letters) for _, done in workers.asked] == [set(), {(0, 3)}, {(0, 3), (0, 5)}]


def test_a_share_with_undecided_names_is_repeated_at_once() -> None:
    stop, undecided = Impatient(), good(1)
    undecided.undecided = Names({b"sensor,host=h,sensor=new"})
    workers = Workers([good(0), undecided], [good(1, stored=5)])
    result = settler(stop).settle(workers)
    assert [done.partitions for _, done in workers.asked] == [frozenset(), frozenset({0})]
    assert (result.stored, stop.waits_s) == (15, [])


def test_a_batch_waits_until_influxdb_has_listed_the_names(caplog: pytest.LogCaptureFixture) -> None:
    class Late(Workers):
        def __call__(self, config: SinkConfig, done: Done) -> list[Outcome]:
            if len(self.asked) < 2:
                self.asked.append((config.give_up_on_common_cause, done))
                raise InfluxUnavailable("no connection")
            return super().__call__(config, done)

    assert settler().settle(Late([good()])).stored == 10
    assert [record.getMessage()[:16] for record in caplog.records] == ["InfluxDB is down", "InfluxDB is back"]
