"""The checker of `make chaos` names each reading that is lost, doubled, altered or out of order."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from onebox.ledger import ReadingId
from tests.chaos.checker import ClockChanged, Evidence, Finding, Killed, Logged, Row, Verdict, check
from tests.chaos.ledger import Taken

VALUES = {"temperature": 21.25, "heading": 90.0}
FIELDS = {**VALUES, "heading_sin": 1.0, "heading_cos": 0.0}
EPOCH_S = 1_700_000_000.0
YEAR_MS = 365 * 86_400_000


def taken(sequence: int, boot: str = "b", **changes: Any) -> Taken:
    """One reading each second."""
    taken_s = changes.pop("taken_s", float(sequence))
    timestamp_ms = changes.pop("timestamp_ms", round((EPOCH_S + taken_s) * 1000))
    return Taken(ReadingId("S", boot, sequence), "h", taken_s, VALUES, timestamp_ms)


def row(reading: Taken, **changes: Any) -> Row:
    fields = {**FIELDS, "sequence": float(reading.reading.sequence), **changes.pop("fields", {})}
    fields = {name: value for name, value in fields.items() if value is not None}
    return replace(Row(reading.reading, "h", reading.timestamp_ms or 0, fields), **changes)


def message(reading: Taken, **changes: object) -> bytes:
    sensor, boot, sequence = reading.reading
    identity = {"sensor": sensor, "host": "h", "boot": boot, "sequence": sequence, "timestamp": reading.timestamp_ms}
    return json.dumps({**identity, **VALUES, **changes}).encode()


def checked(readings: list[Taken], rows: list[Row] | None = None, **evidence: Any) -> Verdict:
    found = [row(reading) for reading in readings] if rows is None else rows
    return check(Evidence({each.reading: each for each in readings}, found, epoch_s=EPOCH_S, **evidence))


def texts(found: list[Finding]) -> list[str]:
    return [str(finding) for finding in found]


READINGS = [taken(sequence) for sequence in range(1, 6)]
ROWS = [row(reading) for reading in READINGS]


def test_readings_that_are_stored_once_as_taken_are_good() -> None:
    verdict = checked(READINGS)
    assert verdict == Verdict(readings=5)
    assert verdict.good


def test_a_planted_loss_double_and_alteration_are_each_named() -> None:
    altered = row(READINGS[3], fields={"temperature": 21.26})
    verdict = checked(READINGS, [ROWS[0], replace(ROWS[1], host="other"), ROWS[1], altered, ROWS[4]])
    assert texts(verdict.lost) == ["S boot b sequence 3: taken by h, never reached Kafka"]
    assert [finding.reading.sequence for finding in verdict.duplicated] == [2]
    assert "S boot b sequence 4: temperature was 21.25 and is stored as 21.26" in texts(verdict.altered)
    assert not verdict.good


def test_a_loss_after_kafka_is_told_from_one_before() -> None:
    verdict = checked(READINGS, ROWS[:4], log=[Logged(READINGS[4].reading, 2, 17)])
    [finding] = verdict.lost
    assert "is in Kafka (partition 2, offset 17)" in finding.text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"fields": {"temperature": None}}, "temperature was 21.25 and is stored as missing"),
        ({"fields": {"pressure": 1.0}}, "pressure was missing and is stored as 1.0"),
        ({"fields": {"heading_sin": 0.5}}, "heading_sin was 1.0 and is stored as 0.5"),
        ({"timestamp_ms": 5}, "timestamp was 1700000001000 and is stored as 5"),
        ({"host": "x"}, "host was h and is stored as x"),
    ],
)
def test_every_column_is_compared(change: dict[str, Any], text: str) -> None:
    verdict = checked(READINGS[:1], [row(READINGS[0], **change)])
    assert [finding.text for finding in verdict.altered] == [text]


def test_a_row_that_was_never_taken_is_named() -> None:
    assert texts(checked(READINGS[:1], ROWS[:2]).altered) == ["S boot b sequence 2: was never taken"]


def test_a_dead_letter_is_not_lost_and_its_fields_are_compared() -> None:
    letters = [message(READINGS[0]), b"\xff", b"[]", message(READINGS[1], temperature=1.5)]
    verdict = checked(READINGS[:2], [], letters=letters)
    assert (verdict.dead_lettered, verdict.lost) == (2, [])
    assert [finding.text for finding in verdict.altered] == ["dead-lettered, temperature was 21.25 and is 1.5"]


@pytest.mark.parametrize(("killed_s", "cut", "lost"), [(5.9, 1, 0), (6.2, 0, 1), (4.5, 0, 1)])
def test_only_the_last_second_before_a_kill_may_be_cut(killed_s: float, cut: int, lost: int) -> None:
    verdict = checked(READINGS, ROWS[:4], kills=[Killed("h", killed_s), Killed("other", 5.1)])
    assert (len(verdict.cut), len(verdict.lost)) == (cut, lost)


def test_the_time_without_a_processor_does_not_count() -> None:
    waits = [(2.0, 1.0), (4.9, 2.0), (5.5, 2.5), (7.0, 3.4)]
    assert Killed("h", 7.1, waits).ran_s(5.0) == pytest.approx(7.1 - 5.0 - 1.4)
    assert Killed("h", 7.1, waits).ran_s(1.0) == pytest.approx(7.1 - 1.0 - 2.4)
    assert len(checked(READINGS, ROWS[:4], kills=[Killed("h", 7.1, waits)]).cut) == 1
    assert len(checked(READINGS, ROWS[:4], kills=[Killed("h", 7.5, waits)]).lost) == 1


def test_what_was_cut_but_reached_kafka_is_lost() -> None:
    log = [Logged(READINGS[4].reading, 0, 1)]
    verdict = checked(READINGS, ROWS[:4], kills=[Killed("h", 5.1)], log=log)
    assert (len(verdict.cut), len(verdict.lost)) == (0, 1)


def test_a_time_that_goes_back_is_out_of_order() -> None:
    back = taken(3, timestamp_ms=taken(1).timestamp_ms)
    verdict = checked([READINGS[0], READINGS[1], back, READINGS[3]])
    assert [finding.reading.sequence for finding in verdict.out_of_order] == [3]


def ahead(sequence: int) -> Taken:
    return taken(sequence, timestamp_ms=(taken(sequence).timestamp_ms or 0) + YEAR_MS)


def test_a_clock_that_was_ahead_allows_one_step_back() -> None:
    clock = ClockChanged("h", 1.5, 3.5)
    readings = [READINGS[0], ahead(2), ahead(3), READINGS[3], READINGS[4]]
    assert checked(readings, clocks=[clock]).good
    assert [finding.reading.sequence for finding in checked(readings).out_of_order] == [4, 5, 2, 3]
    again = [*readings[:4], ahead(5), taken(6)]
    assert [finding.reading.sequence for finding in checked(again, clocks=[clock]).out_of_order] == [6]


def test_a_sensor_that_keeps_a_wrong_time_is_named() -> None:
    clock = ClockChanged("h", 1.5, 3.5)
    late = [ahead(sequence) for sequence in (30, 40)]
    [finding] = checked([READINGS[0], *late], clocks=[clock]).out_of_order
    assert finding.reading.sequence == 40
    assert finding.text == "its time is 31536000 s ahead of the true one"


@pytest.mark.parametrize(("sequences", "wrong"), [([1, 2, 3], []), ([1, 2, 1, 2, 3], []), ([1, 3, 2], [2])])
def test_kafka_has_the_readings_in_order(sequences: list[int], wrong: list[int]) -> None:
    log = [Logged(taken(sequence).reading, 0, offset) for offset, sequence in enumerate(sequences)]
    assert [finding.reading.sequence for finding in checked(READINGS, log=log).out_of_order] == wrong


def test_a_reading_that_never_got_a_time_says_so() -> None:
    verdict = checked([replace(READINGS[0], timestamp_ms=None)], [])
    assert texts(verdict.lost) == ["S boot b sequence 1: taken by h, never reached Kafka, and it never got a time"]


def test_readings_of_two_boots_are_told_apart() -> None:
    other: Callable[[int], Taken] = lambda sequence: taken(sequence, "c", taken_s=sequence + 10.0)  # noqa: E731
    readings = [*READINGS, other(1), other(2)]
    verdict = checked(readings, [*ROWS, row(other(1))])
    assert texts(verdict.lost) == ["S boot c sequence 2: taken by h, never reached Kafka"]
