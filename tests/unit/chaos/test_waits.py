"""A process that is stopped, or has no processor, waits."""

import os
import signal
import subprocess
import sys
import time

from tests.chaos.waits import Waits, is_stopped
from tests.integration.waiting import wait_until


def test_a_stopped_process_waits_all_the_time() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        try:
            waits = Waits()
            waits.sample(process.pid)
            os.kill(process.pid, signal.SIGSTOP)
            wait_until(lambda: is_stopped(process.pid), "the stop", 10)
            waits.sample(process.pid)
            (begin_s, _), (_, before_s) = waits.until_now()
            wait_until(lambda: time.monotonic() - begin_s > 0.2, "some time", 10)
            waits.sample(process.pid)
            (_, _), (stopped_s, _), (end_s, after_s) = waits.until_now()
            assert abs((after_s - before_s) - (end_s - stopped_s)) < 0.001
        finally:
            process.kill()


def test_each_process_starts_anew() -> None:
    waits = Waits()
    waits.sample(os.getpid())
    waits.sample(os.getpid())
    waits.sample(None)
    assert len(waits.until_now()) == 2
    assert not is_stopped(os.getpid())
    waits.sample(os.getppid())
    assert [waited_s for _, waited_s in waits.until_now()] == [0.0]
