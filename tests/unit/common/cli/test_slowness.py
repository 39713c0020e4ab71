"""A command that waits reports what it waits for."""

import threading

import pytest
from pytest_mock import MockerFixture

from sensorpi.common.cli.slowness import report_when_slow


def test_a_long_wait_is_reported_once(capsys: pytest.CaptureFixture[str], mocker: MockerFixture) -> None:
    timer = mocker.spy(threading, "Timer")
    with report_when_slow("the tide", 0.0):
        timer.spy_return.join(10)
    assert capsys.readouterr().err == "waiting for the tide\n"


def test_a_short_wait_is_not_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with report_when_slow("the tide", 3600.0):
        pass
    assert capsys.readouterr().err == ""
