"""Signals that stop a daemon, and what it tells systemd."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sensorpi.common.daemon.service import notify, stop_on_signals


@contextmanager
def handlers_kept() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_signal_that_comes_inside_of_a_wait_does_not_deadlock() -> None:
    with handlers_kept():
        stop = stop_on_signals()
        done = threading.Event()

        def in_the_middle_of_a_wait() -> None:
            with stop._cond:  # type: ignore[attr-defined]  # as the main thread has it for a moment
                handler = signal.getsignal(signal.SIGTERM)
                assert callable(handler)
                handler(signal.SIGTERM, None)
            done.set()

        threading.Thread(target=in_the_middle_of_a_wait, daemon=True).start()
        assert done.wait(5)
        assert stop.is_set()


def test_a_line_break_in_a_status_adds_no_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify(ready=True, status="no board: gone\nMAINPID=1\r\nWATCHDOG=trigger")
        assert systemd.recv(1000) == b"READY=1\nSTATUS=no board: gone MAINPID=1 WATCHDOG=trigger"
