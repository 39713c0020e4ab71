"""The clock that a reading's timestamp is taken from: not trusted until something has synchronised it."""

import logging
import time
from pathlib import Path

from sensorpi.common.daemon.system_clock import has_time_service, is_synchronised

log = logging.getLogger(__name__)

#: A time service that has not begun by then is not there at all.
WITHOUT_SERVICE_S = 180.0


class Clock:
    """The system's clock, with a memory of whether it was right once."""

    def __init__(self, run: Path = Path("/run"), trusted: bool = False) -> None:
        """``trusted`` takes the clock as it is, as under the emulated board."""
        self._run = run
        self._started_s = time.monotonic()
        self._trusted = trusted

    def synchronised(self) -> bool:
        """Whether timestamps can be made; once so, always so.

        A machine without any time service (systemd-timesyncd, chrony, ntpd) is believed after three minutes.
        """
        if not self._trusted:
            if is_synchronised(self._run):
                self._trusted = True
            elif not has_time_service(self._run) and time.monotonic() - self._started_s > WITHOUT_SERVICE_S:
                log.warning("nothing on this machine sets the clock; its time is taken as it is")
                self._trusted = True
        return self._trusted

    def at_ms(self, monotonic_ns: int) -> int:
        """The time, in ms UTC, at an instant of ``time.monotonic_ns``, by the clock as it goes now."""
        return (time.time_ns() - (time.monotonic_ns() - monotonic_ns)) // 1_000_000
