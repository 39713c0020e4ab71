"""Recorded times: cells in any format and time zone, as milliseconds since 1970 in UTC."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sensorpi.sensor.recordings.numbers import HintError, number_in

#: The range of timestamps, in ms: the years 1970 to 9999.
TIMES_MS = (0, 253_402_300_799_999)
#: Formats of times that are numbers, with the number of ms in their unit.
EPOCHS = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
ISO8601 = "iso8601"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UTC_NAMES = ("UTC", "GMT", "Z")
_ZONE_NAME = re.compile(r"[A-Za-z]+|[+-]\d+")
_DIRECTIVE = re.compile(r"%(.)")


class Time(NamedTuple):
    """A time in ms. ``later_ms`` differs in the hour that a clock repeats when it is put back: it is one of them."""

    ms: int
    later_ms: int


TimeReader = Callable[[str], Time]


def time_reader(time_format: str, zone: ZoneInfo | None = None, decimal: str = ".") -> TimeReader:
    """A function: cell → time. It raises ValueError or HintError for other cells.

    ``time_format`` is one of EPOCHS, ``iso8601`` or a strptime pattern. ``zone`` is that of times without one, by
    default UTC.
    """
    if time_format in EPOCHS:
        factor = EPOCHS[time_format]

        def from_number(cell: str) -> Time:
            ms = number_in(cell, decimal) * factor
            if not TIMES_MS[0] <= ms <= TIMES_MS[1]:
                raise ValueError(cell)
            return Time(round(ms), round(ms))

        return from_number
    if time_format == ISO8601:
        return lambda cell: utc(datetime.fromisoformat(cell), zone)
    if "Z" in _DIRECTIVE.findall(time_format):
        return _ZoneNames(time_format, zone)
    return lambda cell: utc(datetime.strptime(cell, time_format), zone)


def check_format(time_format: str) -> None:
    """Raise ValueError with a reason if times of this format would not be complete."""
    if time_format in EPOCHS or time_format == ISO8601:
        return
    directives = set(_DIRECTIVE.findall(time_format))
    if not directives:
        raise ValueError(f"{time_format!r} is not a strptime pattern, {', '.join(EPOCHS)} or {ISO8601}")
    try:
        datetime.strptime("", time_format)
    except ValueError as error:
        if "does not match" not in str(error):
            raise ValueError(f"{time_format!r} is not a strptime pattern: {error}") from None
    except re.error:
        raise ValueError(f"{time_format!r} has a directive twice") from None
    if not has_date(time_format):
        if not directives & set("HIX"):
            raise ValueError(f"{time_format!r} has neither a date nor hours")
        if directives & set("zZ"):
            raise ValueError(f"{time_format!r} has a zone, but no date (such as %Y-%m-%d)")
    year, month, day = directives & set("YyGcx"), directives & set("mbBjVcx"), directives & set("djuaAwcx")
    if has_date(time_format) and not (year and month and day):
        raise ValueError(
            f"{time_format!r} has no complete date (such as %Y-%m-%d); "
            'if the date is in a column of its own, name both: column = ["date", "time"]'
        )
    if "I" in directives and "p" not in directives:
        raise ValueError(f"{time_format!r} has hours from 1 to 12 (%I), but no %p")


def has_date(time_format: str) -> bool:
    """Whether times of this format have a date, or a part of one."""
    if time_format in EPOCHS or time_format == ISO8601:
        return True
    return bool(set(_DIRECTIVE.findall(time_format)) & set("YyGcxmbBjVdUWuaAw"))


def _ms(time: datetime) -> int:
    since = time - _EPOCH
    ms = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    if not TIMES_MS[0] <= ms <= TIMES_MS[1]:
        raise ValueError(time)
    return ms


def utc(time: datetime, zone: tzinfo | None) -> Time:
    """A time in UTC; one without an offset is in ``zone``, by default UTC. Raises HintError if the zone skips it."""
    if time.tzinfo is not None or zone is None:
        ms = _ms(time if time.tzinfo is not None else time.replace(tzinfo=UTC))
        return Time(ms, ms)
    local = time.replace(tzinfo=zone, fold=0)
    first, second = local.utcoffset(), local.replace(fold=1).utcoffset()
    if first is None or second is None or first < second:
        raise HintError(f"at this time, the clock in {zone} is put forward: is the zone right?")
    ms = _ms(local.astimezone(UTC))
    return Time(ms, ms if first == second else _ms(local.replace(fold=1).astimezone(UTC)))


class _ZoneNames:
    """Reads times with the name of their zone, such as CEST: it must be one that the zone has at that time.

    strptime cannot: it takes the names of the machine's own zone, and then forgets them.
    """

    def __init__(self, time_format: str, zone: ZoneInfo | None) -> None:
        self._format, self._zone, self._latest = time_format, zone, "UTC"

    def __call__(self, cell: str) -> Time:
        time, name = self._parse(cell)
        if time.tzinfo is not None or name in _UTC_NAMES:
            return utc(time, UTC)
        if self._zone is None:
            raise HintError(f'{name} may be one of several zones; say which, such as zone = "Europe/Berlin"')
        local = time.replace(tzinfo=self._zone)
        for fold in (0, 1):
            if local.replace(fold=fold).tzname() == name:
                ms = _ms(local.replace(fold=fold).astimezone(UTC))
                return Time(ms, ms)
        raise HintError(f"in {self._zone} it is {local.tzname()} at this time, not {name}")

    def _parse(self, cell: str) -> tuple[datetime, str]:
        for name in (self._latest, *_ZONE_NAME.findall(cell)):
            if name in cell:
                try:
                    time = datetime.strptime(cell, self._format.replace("%Z", name))
                except ValueError:
                    continue
                self._latest = name
                return time, name
        raise ValueError(cell)
