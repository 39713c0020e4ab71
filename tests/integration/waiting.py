"""Waiting for what the tests' processes do."""

import time
from collections.abc import Callable

import pytest


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 90.0, log: Callable[[], str] = str) -> None:
    """Poll until the condition holds; fail the test with ``what``, and the log of then, after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout_s:g} s: {what}\n{log()}")
        time.sleep(0.05)
