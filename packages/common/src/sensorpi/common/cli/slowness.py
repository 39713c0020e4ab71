"""Says what a command waits for, when that takes a while."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def say_when_slow(what: str, after_s: float = 3.0) -> Iterator[None]:
    """Print one line on standard error when the block takes longer."""
    timer = threading.Timer(after_s, lambda: print(f"waiting for {what}", file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
