"""Signals that stop a daemon."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sensorpi.common.daemon.service import stop_on_signals


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
