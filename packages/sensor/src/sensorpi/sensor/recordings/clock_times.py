"""Times without a date: each day follows from the one before, because the rows are in the order of time."""

import datetime as dt
from zoneinfo import ZoneInfo

from sensorpi.sensor.recordings.times import ISO8601, Time, utc

_HALF_A_DAY = dt.timedelta(hours=12)
#: The day of the first row where it is not known, and does not matter.
_ANY_DAY = dt.date(2000, 1, 1)


class OrderError(ValueError):
    """It cannot be told on which day a time is; the text says why."""


class ClockTimes:
    """Reads cells such as 23:59:50. A new day begins where the clock goes back by more than twelve hours."""

    def __init__(self, time_format: str, first_day: dt.date | None, zone: ZoneInfo | None) -> None:
        """``first_day`` is the first row's; without it, times are only relative to each other."""
        self._format, self._zone = time_format, zone if first_day is not None else None
        self._day = first_day or _ANY_DAY
        self._previous: tuple[dt.datetime, Time] | None = None

    def __call__(self, cell: str) -> Time:
        """The time of the next row. Raises ValueError, HintError or OrderError."""
        clock = self._clock(cell)
        local = dt.datetime.combine(self._day, clock)
        if self._previous is not None and local < self._previous[0]:
            back = self._previous[0] - local
            if back > _HALF_A_DAY:
                local += dt.timedelta(days=1)
            elif utc(local, self._zone).later_ms < self._previous[1].ms:  # not the hour that a clock repeats
                raise OrderError(
                    f"it is earlier than the time before it, {self._previous[0].time()}, and without dates it is not "
                    "clear whether on the next day; rows without dates must be in the order of time, the oldest first"
                )
        time = utc(local, self._zone)
        self._day, self._previous = local.date(), (local, time)
        return time

    def _clock(self, cell: str) -> dt.time:
        clock = dt.time.fromisoformat(cell) if self._format == ISO8601 else dt.datetime.strptime(cell, self._format)
        if clock.tzinfo is not None:
            raise ValueError(cell)
        return clock if isinstance(clock, dt.time) else clock.time()
