"""A stop of the job has a limit: what hangs on a broker that is gone must not become a killed service."""

import subprocess
import sys
import threading

import pytest

from sensorpi.pipeline.job.stopping import end_in_time

_HANGS = """
import logging, threading
from sensorpi.pipeline.job.stopping import end_in_time
logging.basicConfig()
stop = threading.Event()
threading.Thread(target=end_in_time, args=(stop, threading.Event(), 0.1)).start()
stop.set()
threading.Event().wait()
"""


def test_a_stop_that_hangs_ends_with_a_line() -> None:
    result = subprocess.run([sys.executable, "-c", _HANGS], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0
    [line] = result.stderr.splitlines()
    assert "did not stop within 0.1 s" in line


def test_a_stop_in_time_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    stop, ended = threading.Event(), threading.Event()
    ended.set()
    stop.set()
    end_in_time(stop, ended, 0.0)
    assert caplog.records == []
