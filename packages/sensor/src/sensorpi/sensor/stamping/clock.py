"""The clock for the readings' timestamps, and whether it can be trusted: it is compared with the brokers' clocks.

Every acknowledgement says when the broker wrote the message. With the monotonic clock that gives the brokers' time at
any later moment, so that a jump of this machine's clock is noticed before a reading gets a wrong timestamp.
"""

import logging
import time
from enum import Enum
from pathlib import Path

from sensorpi.common.daemon.system_clock import has_time_service, is_synchronised
from sensorpi.sensor.stamping.brokers_time import BrokersTime

log = logging.getLogger(__name__)

#: A machine whose time service has not started by then does not have one.
WITHOUT_SERVICE_S = 180.0
#: By how much the clock may differ from the brokers', in seconds.
TOLERANCE_S = 60.0


class ClockState(Enum):
    """Whether timestamps can be made; the value is for the status line."""

    GOOD = "right"
    #: It has not been synchronised since the machine was started.
    UNSYNCHRONISED = "not synchronised"
    #: It has jumped, and no broker has been heard yet: it was wrong before, or it is now.
    IN_DOUBT = "in doubt"
    #: It is far from the brokers' clocks.
    WRONG = "wrong"


class Clock:
    """The system's clock. Only the thread that stamps readings uses it."""

    def __init__(
        self,
        run: Path = Path("/run"),
        trusted: bool = False,
        tolerance_s: float = TOLERANCE_S,
        brokers_time: BrokersTime | None = None,
    ) -> None:
        """``trusted`` uses the clock even if it is not synchronised, as with the emulated board.

        ``brokers_time`` remembers what an earlier run has heard.
        """
        self._run = run
        self._started_s = time.monotonic()
        self._trusted = trusted
        self._tolerance_ns = round(tolerance_s * 1e9)
        self._brokers_time = brokers_time
        # From the monotonic to the right time, at least and at most.
        self._reference_ns = brokers_time.read() if brokers_time is not None else None
        self._bad_since_s: float | None = None
        #: Whether a broker has acknowledged a message since the machine was started.
        self.is_confirmed = self._reference_ns is not None

    @property
    def tolerance_ms(self) -> int:
        """By how much the clock may differ from the brokers', in ms."""
        return self._tolerance_ns // 1_000_000

    def synchronised(self) -> bool:
        """Whether the clock was set. Once true, it stays true.

        The clock of a machine without a time service (systemd-timesyncd, chrony, ntpd) is trusted after three minutes.
        """
        if not self._trusted:
            if is_synchronised(self._run):
                self._trusted = True
            elif not has_time_service(self._run) and time.monotonic() - self._started_s > WITHOUT_SERVICE_S:
                log.warning("this machine has no time service; the clock is used as it is")
                self._trusted = True
        return self._trusted

    def state(self) -> ClockState:
        """Whether timestamps can be made. Logs once that the clock is wrong, and once that it is right again."""
        if not self.synchronised():
            return ClockState.UNSYNCHRONISED
        offset_ns = time.time_ns() - time.monotonic_ns()
        reference_ns = self._reference_ns
        if reference_ns is None:
            if not self.is_confirmed:
                self._reference_ns = offset_ns, offset_ns
            return ClockState.GOOD
        low_ns, high_ns = reference_ns
        off_ns = max(offset_ns - high_ns, 0) or min(offset_ns - low_ns, 0)
        is_good = abs(off_ns) <= self._tolerance_ns
        self._report(is_good, off_ns)
        if is_good:
            return ClockState.GOOD
        return ClockState.WRONG if self.is_confirmed else ClockState.IN_DOUBT

    def _report(self, is_good: bool, off_ns: int) -> None:
        if not is_good and self._bad_since_s is None:
            self._bad_since_s = time.monotonic()
            direction = "ahead of" if off_ns > 0 else "behind"
            what = "the brokers' clock" if self.is_confirmed else "the time before it was set"
            seconds = abs(off_ns) / 1e9
            log.warning(
                "this clock is %.0f s %s %s: readings are kept until the clocks agree", seconds, direction, what
            )
        elif is_good and self._bad_since_s is not None:
            log.warning("the clocks agree again after %.0f s", time.monotonic() - self._bad_since_s)
            self._bad_since_s = None

    def heard(self, append_ms: int | None, sent_ns: int, acknowledged_ns: int) -> None:
        """Take over a broker's time of appending a message; the other two are ``time.monotonic_ns()`` around it."""
        low_high_ns = (append_ms * 1_000_000 - acknowledged_ns, append_ms * 1_000_000 - sent_ns) if append_ms else None
        self._reference_ns, self.is_confirmed = low_high_ns, True
        if low_high_ns is not None and self._brokers_time is not None:
            self._brokers_time.write(low_high_ns)

    def at_ms(self, monotonic_ns: int) -> int:
        """The time, in ms UTC, for a value of ``time.monotonic_ns``, by the present clock."""
        return (time.time_ns() - (time.monotonic_ns() - monotonic_ns)) // 1_000_000

    def is_far(self, timestamp_ms: int, monotonic_ns: int) -> bool:
        """Whether a timestamp for that value of ``time.monotonic_ns`` is far from the brokers' time."""
        if self._reference_ns is None or not self.is_confirmed:
            return False
        low_ns, high_ns = self._reference_ns
        time_ns = timestamp_ms * 1_000_000 - monotonic_ns
        return not low_ns - self._tolerance_ns <= time_ns <= high_ns + self._tolerance_ns

    def is_far_ahead(self, timestamp_ms: int) -> bool:
        """Whether a timestamp is in the future by the brokers' time. They may not tell one; then none is."""
        now_ns = time.monotonic_ns()
        return self.is_far(timestamp_ms, now_ns) and timestamp_ms > self.at_ms(now_ns)
