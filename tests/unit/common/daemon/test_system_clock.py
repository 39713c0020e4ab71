"""Whether the clock is right, and waiting until it is."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from sensorpi.common.daemon import system_clock
from sensorpi.common.daemon.system_clock import has_time_service, is_synchronised, wait_until_synchronised


@pytest.fixture(autouse=True)
def _kernel_says_no(mocker: MockerFixture) -> None:
    mocker.patch.object(system_clock, "kernel_says_synchronised", return_value=False)


def a_time_service(run: Path) -> Path:
    folder = run / "systemd/timesync"
    folder.mkdir(parents=True)
    return folder


def wait(run: Path, pause: Callable[[float], None] | None = None) -> float:
    """Wait for at most 180 s by a fake clock; return how long it took."""
    passed_s = 0.0

    def sleep(seconds: float) -> None:
        nonlocal passed_s
        passed_s += seconds
        if pause is not None:
            pause(passed_s)

    wait_until_synchronised(180.0, run, pause=sleep, now=lambda: passed_s)
    return passed_s


@pytest.mark.parametrize("place", ["systemd/timesync", "chrony", "ntpd.pid"])
def test_a_time_service_shows_in_run(tmp_path: Path, place: str) -> None:
    assert not has_time_service(tmp_path)
    (tmp_path / place).mkdir(parents=True)
    assert has_time_service(tmp_path)


def test_a_folder_that_is_chronys_alone_is_not_looked_into(tmp_path: Path) -> None:
    (tmp_path / "chrony").mkdir(mode=0)
    assert has_time_service(tmp_path)


def test_without_a_time_service_nothing_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert wait(tmp_path) == 0
    assert caplog.records == []


def test_a_clock_that_is_right_is_not_waited_for(tmp_path: Path, mocker: MockerFixture) -> None:
    a_time_service(tmp_path)
    mocker.patch.object(system_clock, "kernel_says_synchronised", return_value=True)
    assert is_synchronised(tmp_path)
    assert wait(tmp_path) == 0


def test_the_wait_ends_when_the_clock_is_set(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = a_time_service(tmp_path)
    caplog.set_level(logging.INFO)
    waited_s = wait(tmp_path, lambda passed_s: (folder / "synchronized").touch() if passed_s >= 7 else None)
    assert waited_s == 7
    assert [record.message for record in caplog.records] == ["waiting for a synchronised clock, at most 180 s"]


def test_the_wait_has_a_limit_and_logs_a_timeout(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    a_time_service(tmp_path)
    assert wait(tmp_path) == 180
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


def test_the_kernel_is_asked_without_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert system_clock.kernel_says_synchronised() in (True, False)
