"""Reports what a command waits for when that takes a while."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sensorpi.common.cli.output import complain


@contextmanager
def report_when_slow(what: str, after_s: float = 3.0) -> Iterator[None]:
    """Print one line on standard error when the block takes longer than ``after_s``."""
    timer = threading.Timer(after_s, complain, (f"waiting for {what}",))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
