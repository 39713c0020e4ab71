"""Ends the job in time, whatever it waits for."""

import logging
import os
import threading

from sensorpi.common.cli.exit_code import ExitCode

_log = logging.getLogger(__name__)

#: The maximum time for a stop, unless the job was superseded, in seconds. systemd kills the job after 60 s, which
#: counts as a failure.
_STOP_S = 40.0


def end_in_time(stop: threading.Event, ended: threading.Event, limit_s: float = _STOP_S) -> None:
    """End this process, with status 0, when ``ended`` is not set within ``limit_s`` seconds after ``stop``.

    A batch that waits for a broker can delay the stop. Nothing is lost: what was not committed is read again, and
    stored under the same key.
    """
    stop.wait()
    if not ended.wait(limit_s):
        _log.warning("The job did not stop within %g s and is ended; its last batch will be read again.", limit_s)
        os._exit(ExitCode.OK)
