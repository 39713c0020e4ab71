"""What `make chaos` knows of the readings: each is known when it is taken."""

import json
from pathlib import Path

from onebox.ledger import ReadingId
from tests.chaos.ledger import Ledger


def event(kind: str, sequence: int = 1, **details: object) -> str:
    identity = {"event": kind, "sensor": "S", "host": "h", "boot": "b", "sequence": sequence, "monotonic_ns": 5 * 10**9}
    return json.dumps({**identity, "values": {"heading": 1.0}, **details}, separators=(",", ":"))


def test_a_reading_is_known_with_its_time(tmp_path: Path) -> None:
    file = tmp_path / "sensor01.jsonl"
    ledger = Ledger([file])
    assert ledger.read_on() == []
    file.write_text(event("read", timestamp=9) + "\n" + event("read", 2, timestamp=10))
    [taken] = ledger.read_on()
    assert (taken.reading, taken.host, taken.taken_s, taken.timestamp_ms) == (ReadingId("S", "b", 1), "h", 5.0, 9)
    with file.open("a") as more:
        more.write("\n" + event("end", spooled=3) + "\n")
    assert [each.reading.sequence for each in ledger.read_on()] == [2]
    assert ledger.spooled("sensor01") == 3


def test_a_reading_that_waits_for_the_clock_is_known_before(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    ledger = Ledger([file])
    file.write_text(event("held") + "\n")
    assert [taken.timestamp_ms for taken in ledger.read_on()] == [None]
    with file.open("a") as more:
        more.write(event("read", timestamp=9, values={"heading": 2.0}) + "\n")
    [taken] = ledger.read_on()
    assert (taken.timestamp_ms, taken.values) == (9, {"heading": 1.0})
    assert len(ledger.taken) == 1


def test_half_a_line_of_a_killed_process_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    file.write_text('{"event":"read","sens' + event("read", 2, timestamp=9) + "\n")
    assert [taken.reading.sequence for taken in Ledger([file]).read_on()] == [2]


def taken_event(process: int, number: int, **values: float) -> str:
    identity = {"event": "taken", "sensor": "S", "host": "h", "process": process, "number": number}
    return (
        json.dumps(
            {**identity, "monotonic_ns": 4 * 10**9, "written_ns": 45 * 10**8, "values": values}, separators=(",", ":")
        )
        + "\n"
    )


def test_what_was_taken_first_counts_whatever_is_said_later(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    file.write_text(taken_event(7, 1, heading=5.0) + event("read", timestamp=9, values={"heading": 6.0}) + "\n")
    ledger = Ledger([file])
    [taken] = ledger.read_on()
    assert (taken.values, taken.taken_s, taken.written_s, taken.timestamp_ms) == ({"heading": 5.0}, 4.0, 4.5, 9)
    assert list(ledger.everything()) == [ReadingId("S", "b", 1)]


def test_a_reading_whose_process_was_killed_at_once_is_known(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    lines = [taken_event(7, 1), event("read", timestamp=9) + "\n", taken_event(7, 2), taken_event(8, 1)]
    file.write_text("".join(lines))
    ledger = Ledger([file])
    ledger.read_on()
    ids = [("b", 1), ("of process 7", 2), ("of process 8", 1)]
    assert set(ledger.everything()) == {ReadingId("S", boot, number) for boot, number in ids}


def test_a_reading_that_gets_another_time_has_the_last(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    file.write_text(taken_event(7, 1) + event("read", timestamp=9) + "\n" + event("read", timestamp=8) + "\n")
    assert [taken.timestamp_ms for taken in Ledger([file]).read_on()] == [9, 8]
