"""A service whose role cannot work yet stays up and says for what it waits, instead of failing again and again."""

import logging
from pathlib import Path

from sensorpi.common.daemon.service import notify, stop_on_signals

_log = logging.getLogger(__name__)

#: Below the rendered configuration: a file for each role that waits, with the reason.
DIRECTORY = "waiting"

#: More often than the shortest WatchdogSec= asks for.
_WATCHDOG_S = 20.0


def is_told_to_wait(config: Path, role: str) -> bool:
    """Whether ``sensorpi config apply`` left a reason for this role to wait."""
    return (config / DIRECTORY / role).exists()


def wait_if_told(config: Path, role: str) -> bool:
    """Return False at once, or wait for SIGTERM where ``sensorpi config apply`` left a reason, and return True.

    A change of the configuration restarts the service, so it never has to look again.
    """
    if not is_told_to_wait(config, role):
        return False
    hold((config / DIRECTORY / role).read_text(encoding="utf-8").strip())
    return True


def hold(reason: str) -> None:
    """Say once why this service cannot work, and stay up with that as its status until SIGTERM."""
    _log.warning("%s", reason)
    stop = stop_on_signals()
    notify(ready=True, status=reason)
    while not stop.wait(_WATCHDOG_S):
        notify(watchdog=True)
    notify(stopping=True)
