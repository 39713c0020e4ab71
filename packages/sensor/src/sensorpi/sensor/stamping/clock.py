"""The clock for the readings' timestamps: it is not trusted until it has been synchronised."""

import logging
import time
from pathlib import Path

from sensorpi.common.daemon.system_clock import has_time_service, is_synchronised

log = logging.getLogger(__name__)

#: A machine whose time service has not started by then does not have one.
WITHOUT_SERVICE_S = 180.0


class Clock:
    """The system's clock. Once it has been synchronised it is trusted."""

    def __init__(self, run: Path = Path("/run"), trusted: bool = False) -> None:
        """``trusted`` uses the clock even if it is not synchronised, as with the emulated board."""
        self._run = run
        self._started_s = time.monotonic()
        self._trusted = trusted

    def synchronised(self) -> bool:
        """Whether timestamps can be made. Once true, it stays true.

        The clock of a machine without a time service (systemd-timesyncd, chrony, ntpd) is trusted after three minutes.
        """
        if not self._trusted:
            if is_synchronised(self._run):
                self._trusted = True
            elif not has_time_service(self._run) and time.monotonic() - self._started_s > WITHOUT_SERVICE_S:
                log.warning("this machine has no time service; the clock is used as it is")
                self._trusted = True
        return self._trusted

    def at_ms(self, monotonic_ns: int) -> int:
        """The time, in ms UTC, for a value of ``time.monotonic_ns``, by the present clock."""
        return (time.time_ns() - (time.monotonic_ns() - monotonic_ns)) // 1_000_000
