"""The terminal of `make run`: messages above, one line a stage below, drawn again in place."""

import logging
import os

import pytest
from pytest_mock import MockerFixture

from onebox.display import LogToScreen, Screen, StageLines
from onebox.ledger import Ledger


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture) -> Screen:
    """A screen of 40 columns."""
    monkeypatch.setattr(Screen, "is_terminal", True)
    mocker.patch("shutil.get_terminal_size", return_value=os.terminal_size((40, 24)))
    return Screen()


def test_lines_are_drawn_again_in_place(terminal: Screen, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.draw(["a 1", "b 1"])
    terminal.draw(["a 2", "b 2"])
    assert capsys.readouterr().err == "a 1\nb 1\n\x1b[2A\x1b[Ja 2\nb 2\n"


def test_a_message_is_printed_above_the_lines(terminal: Screen, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.draw(["a 1", "b 1"])
    terminal.say("something happened")
    terminal.draw(["a 2", "b 2"])
    assert capsys.readouterr().err == "a 1\nb 1\n\x1b[2A\x1b[Jsomething happened\na 2\nb 2\n"


def test_lines_that_are_kept_stay(terminal: Screen, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.draw(["a 1"])
    terminal.keep()
    terminal.say("summary")
    assert capsys.readouterr().err == "a 1\nsummary\n"


def test_a_line_never_wraps(terminal: Screen, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.draw(["x" * 100])
    assert capsys.readouterr().err == "x" * 39 + "\n"


def test_nothing_is_drawn_over_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    screen.draw(["x" * 100])
    screen.draw(["b"])
    assert capsys.readouterr().err == "x" * 100 + "\nb\n"


def test_a_closed_terminal_does_not_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as closed:
        monkeypatch.setattr("sys.stderr", closed)
        Screen().say("does anybody hear me?")
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)  # or closing it would fail in the same way


def test_a_warning_is_a_message_of_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    LogToScreen().emit(logging.LogRecord("onebox", logging.WARNING, __file__, 1, "%s is gone", ("Kafka",), None))
    assert capsys.readouterr().err == "  Kafka is gone\n"


def test_each_stage_has_one_line_with_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger(
        readings=10, acknowledged=9, last_values={"temperature": 21.46, "pressure": 99_870, "heading": 12.3}
    )
    ledger.latencies_ms.extend([100.0, 200.0, 300.0])
    StageLines(ledger).show([], "bmp280 is down", at_once=True)
    sensor, kafka, spark, influxdb = capsys.readouterr().err.splitlines()
    assert sensor.startswith("  sensor     10 readings, ")
    assert sensor.endswith("/s (21.5 °C, 998.7 hPa, 12°); bmp280 is down")
    assert kafka == "  kafka      9 acknowledged"
    assert spark.startswith("  spark ")
    assert influxdb == "  influxdb   3 queryable, 200 ms after the read (99 %: 300 ms)"


def test_a_recording_has_a_line_with_its_progress(capsys: pytest.CaptureFixture[str]) -> None:
    StageLines(Ledger(readings=10), rows=40).show([], "", at_once=True)
    sensor = capsys.readouterr().err.splitlines()[0]
    assert sensor.startswith("  sensor     10 of 40 readings (25 %), ")
    assert sensor.endswith(" s left")


def test_the_lines_come_now_and_then_only(capsys: pytest.CaptureFixture[str]) -> None:
    lines = StageLines(Ledger())
    lines.show([], "")
    assert capsys.readouterr().err == ""
