"""A service whose role cannot work yet waits, with the reason as its status, instead of failing again and again."""

import logging
from pathlib import Path

from sensorpi.common.daemon.service import notify, stop_on_signals

_log = logging.getLogger(__name__)

#: A folder of the rendered configuration. It has a file for each role that waits, with the reason.
DIRECTORY = "waiting"

#: Less than half of the shortest WatchdogSec=.
_WATCHDOG_S = 20.0


def is_told_to_wait(config: Path, role: str) -> bool:
    """Whether ``sensorpi config apply`` has found a reason for this role to wait."""
    return (config / DIRECTORY / role).exists()


def wait_if_told(config: Path, role: str) -> bool:
    """Return False if the role need not wait. Otherwise wait for SIGTERM, and return True then.

    A change of the configuration restarts the service, so the reason need not be checked again.
    """
    if not is_told_to_wait(config, role):
        return False
    hold((config / DIRECTORY / role).read_text(encoding="utf-8").strip())
    return True


def hold(reason: str) -> None:
    """Log once why this service cannot work, and keep running with that as its status until SIGTERM."""
    _log.warning("%s", reason)
    stop = stop_on_signals()
    notify(ready=True, status=reason)
    while not stop.wait(_WATCHDOG_S):
        notify(watchdog=True)
    notify(stopping=True)
