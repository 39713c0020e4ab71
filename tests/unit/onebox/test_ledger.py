"""The sensor's events are counted, and one latency is measured for each reading."""

import json
from collections.abc import Iterator

import pytest

from onebox.ledger import Ledger, ReadingId


def read(sequence: int, timestamp_ms: int = 0, monotonic_ns: int = 0) -> str:
    return json.dumps(
        {"event": "read", "sensor": "s", "host": "h", "boot": "b", "sequence": sequence,
         "timestamp": timestamp_ms or 1000 + sequence, "monotonic_ns": monotonic_ns, "values": {"temperature": 20.0}}
    )  # fmt: skip


def followed(*lines: str) -> Ledger:
    ledger = Ledger()
    ledger.follow(iter(lines), keep_unseen=True)
    return ledger


def test_readings_acknowledgements_and_the_end_are_counted() -> None:
    ledger = followed(
        read(1), read(2), '{"event": "acknowledged", "count": 1}', '{"event":"end","readings":2,"acknowledged":2}'
    )
    assert (ledger.readings, ledger.acknowledged, ledger.ended) == (2, 2, True)
    assert (ledger.oldest_ms, ledger.newest_ms, ledger.boots, ledger.sensors) == (1001, 1002, {"b"}, {"s"})


def test_events_of_no_concern_are_passed_over() -> None:
    assert followed('{"event": "spooled", "count": 3}').readings == 0


def test_the_unseen_range_shrinks_with_what_is_seen() -> None:
    ledger = followed(read(1), read(2), read(3))
    ledger.seen([ReadingId("s", "b", 1)], 0)
    assert ledger.unseen_range_ms() == (1002, 1003)
    ledger.seen([ReadingId("s", "b", 2), ReadingId("s", "b", 3)], 0)
    assert ledger.unseen_range_ms() is None


def test_only_the_first_query_that_returns_a_reading_counts() -> None:
    ledger = followed(read(1, monotonic_ns=1_000_000))
    ledger.seen([ReadingId("s", "b", 1)], 3_500_000)
    ledger.seen([ReadingId("s", "b", 1)], 9_000_000)
    assert list(ledger.latencies_ms) == [2.5]


def test_an_unknown_reading_has_no_latency() -> None:
    ledger = followed(read(1))
    ledger.seen([ReadingId("s", "other boot", 1)], 1)
    assert ledger.latency_ms() is None


@pytest.mark.parametrize(
    ("count", "p50", "p99"), [(1, 1.0, 1.0), (2, 1.0, 2.0), (100, 50.0, 99.0), (1000, 500.0, 990.0)]
)
def test_percentiles_are_by_nearest_rank(count: int, p50: float, p99: float) -> None:
    ledger = Ledger()
    ledger.latencies_ms.extend(reversed(range(1, count + 1)))
    assert ledger.latency_ms() == {"p50": p50, "p99": p99}


def test_full_speed_keeps_no_readings_in_memory() -> None:
    ledger = Ledger()

    def lines() -> Iterator[str]:
        yield read(1)

    ledger.follow(lines(), keep_unseen=False)
    assert (ledger.readings, ledger.unseen_range_ms()) == (1, None)
