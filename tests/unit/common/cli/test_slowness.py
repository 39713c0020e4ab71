"""A command that waits says for what."""

import threading

import pytest

from sensorpi.common.cli.slowness import say_when_slow


def test_what_takes_long_is_said_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    timers: list[threading.Timer] = []
    start = threading.Timer.start
    monkeypatch.setattr(threading.Timer, "start", lambda timer: (timers.append(timer), start(timer))[1])
    with say_when_slow("the tide", 0.0):
        timers[0].join(10)
    assert capsys.readouterr().err == "waiting for the tide\n"


def test_what_is_quick_is_not_spoken_of(capsys: pytest.CaptureFixture[str]) -> None:
    with say_when_slow("the tide", 3600.0):
        pass
    assert capsys.readouterr().err == ""
