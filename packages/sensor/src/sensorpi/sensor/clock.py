"""Whether the system's clock can be trusted. A Pi has no clock battery: it starts with a time long past."""

import ctypes
import logging
import time
from pathlib import Path

log = logging.getLogger(__name__)

STA_UNSYNC = 0x0040  # linux/timex.h
TIME_ERROR = 5

#: A time service that has not begun by then is not there at all.
WITHOUT_SERVICE_S = 180.0


def kernel_says_synchronised() -> bool:
    """The kernel's own flag, which ntpd, chrony and timesyncd clear once the clock is right."""

    class Timex(ctypes.Structure):
        """The head of struct timex; the rest is padding, larger than any architecture's."""

        _fields_ = (
            ("modes", ctypes.c_uint),
            ("offset", ctypes.c_long),
            ("freq", ctypes.c_long),
            ("maxerror", ctypes.c_long),
            ("esterror", ctypes.c_long),
            ("status", ctypes.c_int),
            ("rest", ctypes.c_char * 512),
        )

    timex = Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    return 0 <= state < TIME_ERROR and not timex.status & STA_UNSYNC


class Clock:
    """The system's clock: not trusted until something has synchronised it."""

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
            if (self._run / "systemd/timesync/synchronized").exists() or kernel_says_synchronised():
                self._trusted = True
            elif not self._has_time_service() and time.monotonic() - self._started_s > WITHOUT_SERVICE_S:
                log.warning("nothing on this machine sets the clock; its time is taken as it is")
                self._trusted = True
        return self._trusted

    def _has_time_service(self) -> bool:
        services = ("systemd/timesync", "chrony/chronyd.pid", "chronyd.pid", "ntpd.pid", "ntpsec/ntpd.pid")
        return any((self._run / service).exists() for service in services)

    def at_ms(self, monotonic_ns: int) -> int:
        """The time, in ms UTC, at an instant of ``time.monotonic_ns``, by the clock as it goes now."""
        return (time.time_ns() - (time.monotonic_ns() - monotonic_ns)) // 1_000_000
