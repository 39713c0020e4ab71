"""Whether the system's clock can be trusted. A Pi has no clock battery, so it starts with a time in the past."""

import ctypes
import logging
import time
from collections.abc import Callable
from pathlib import Path

from sensorpi.common.daemon.service import notify

_log = logging.getLogger(__name__)

_STA_UNSYNC = 0x0040  # linux/timex.h
_TIME_ERROR = 5

#: Files below /run that exist while a time service runs. Only chrony's own user can look into chrony's folder.
_TIME_SERVICES = ("systemd/timesync", "chrony", "chronyd.pid", "ntpd.pid")


def is_synchronised(run: Path = Path("/run")) -> bool:
    """Whether a time service has set the clock since boot: timesyncd marks that in ``run``, others in the kernel."""
    return (run / "systemd/timesync/synchronized").exists() or kernel_says_synchronised()


def has_time_service(run: Path = Path("/run")) -> bool:
    """Whether systemd-timesyncd, chrony or ntpd runs."""
    return any((run / service).exists() for service in _TIME_SERVICES)


def kernel_says_synchronised() -> bool:
    """The kernel's own flag, which chrony and ntpd clear once the clock is right (adjtimex(2))."""

    class Timex(ctypes.Structure):
        """The beginning of struct timex. ``rest`` is larger than the rest of it on any architecture."""

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
    return 0 <= state < _TIME_ERROR and not timex.status & _STA_UNSYNC


def wait_until_synchronised(
    limit_s: float,
    run: Path = Path("/run"),
    *,
    pause: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> None:
    """Wait until the clock is right, for at most ``limit_s`` seconds. Log once what is waited for, and a timeout.

    Returns at once on a machine without a time service: nothing will set its clock.
    """
    if is_synchronised(run) or not has_time_service(run):
        return
    began_s = now()
    reason = f"waiting for a synchronised clock, at most {limit_s:g} s"
    _log.info("%s", reason)
    notify(status=reason)
    while not is_synchronised(run):
        if now() - began_s >= limit_s:
            _log.warning("the clock is not synchronised after %g s; its time is used all the same", limit_s)
            return
        pause(1.0)
