"""Runs a part of a test in a child process, in namespaces of its own."""

import os
from collections.abc import Callable

import pytest

from sensorpi.common.errors import UserError
from tests.chaos.namespaces import isolated


def in_namespaces(run: Callable[[], None], log: Callable[[], str] = str) -> None:
    """Run it; its exception is the test's failure, with the ``log``. Skip the test where there are no namespaces."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = isolated(lambda: (run(), 0)[1])
        except UserError:
            status = 77
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == 77:
        pytest.skip("no namespaces can be made here")
    assert status == 0, log()
