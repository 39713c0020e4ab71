"""What `make chaos` says at its end: every finding with its circumstances, and the summary."""

import json
import time
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from onebox.ledger import ReadingId
from tests.chaos.checker import Finding, Verdict
from tests.chaos.ledger import Taken
from tests.chaos.recovery import Recovered
from tests.chaos.report import Report
from tests.chaos.schedule import Fault

FREEZE = Fault(1, 3.0, 4.0, "freeze", "kafka")
KILL = Fault(2, 3.0, 0.0, "kill", "sensor01")


def test_a_run_ends_with_named_readings_and_a_summary(
    tmp_path: Path, mocker: MockerFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = mocker.patch.object(time, "monotonic", return_value=100.0)
    report = Report(tmp_path, 2)
    report.begin()
    for fault in (FREEZE, KILL):
        clock.return_value += 3.0
        report.struck(fault, "pids [1]")
    clock.return_value = 110.0
    report.mended(FREEZE)
    report.mended(KILL)
    report.statuses({"kafka": "1 reading"})
    report.statuses({"kafka": "2 reading"})
    report.recovered(Recovered((FREEZE, KILL), 4.5, ("sensor02",)))
    report.recovered(Recovered((KILL,), 1.5))
    reading = ReadingId("S", "b", 7)
    verdict = Verdict(readings=20, dead_lettered=1, lost=[Finding(reading, "never reached Kafka")])
    summary = report.end(verdict, {reading: Taken(reading, "sensor01", 104.0, {}, None)})
    assert json.dumps(summary) == (
        '{"faults": 2, "readings": 20, "lost": 1, "cut": 0, "duplicated": 0, "altered": 0, "out_of_order": 0, '
        '"dead_lettered": 1, "recovery_s": {"freeze": 4.5, "kill": 4.5}}'
    )
    said = capsys.readouterr().err
    assert "  0:03    1/2  freeze kafka for 4.0 s" in said
    assert "  0:10           recovered after 4.5 s, but sensor02 stays silent" in said
    assert "lost: S boot b sequence 7: never reached Kafka [taken by sensor01 at 0:04.0; fault 1: freeze kafka" in said
    events = [json.loads(line) for line in (tmp_path / "faults.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["struck"] * 2 + ["mended"] * 2 + ["status"] + ["recovered"] * 2
    assert "lost: S boot b sequence 7" in (tmp_path / "report.txt").read_text()
