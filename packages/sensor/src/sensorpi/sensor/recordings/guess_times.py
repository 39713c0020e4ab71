"""Which columns of a CSV file have the time, and in which format."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, product

from sensorpi.sensor.recordings.guess_columns import is_time
from sensorpi.sensor.recordings.numbers import number_in
from sensorpi.sensor.recordings.times import EPOCHS, time_reader

_DATES = ["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y", "%d/%m/%y",
          "%m/%d/%y", "%d-%m-%y", "%y-%m-%d", "%Y%m%d", "%d %b %Y", "%d %B %Y", "%b %d %Y",
          "%d-%b-%Y", "%d-%b-%y"]  # fmt: skip
CLOCKS = ["%H:%M:%S", "%H:%M:%S.%f", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%H%M%S", "%H-%M-%S", "%Hh%M"]
_BETWEEN = [" ", ", ", "T", "_", "-"]
_WHOLE = ["%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %Z %Y", "%a %d %b %H:%M:%S %Z %Y", "%a, %d %b %Y %H:%M:%S %Z"]
_FORMATS = _WHOLE + [date + between + clock for date, between, clock in product(_DATES, _BETWEEN, CLOCKS)]
#: A zone in which a name is used; there are others.
_ZONES = {"CET": "Europe/Berlin", "CEST": "Europe/Berlin", "BST": "Europe/London", "EST": "America/New_York",
          "WET": "Europe/Lisbon", "WEST": "Europe/Lisbon", "EET": "Europe/Helsinki", "EEST": "Europe/Helsinki",
          "EDT": "America/New_York", "CST": "America/Chicago", "CDT": "America/Chicago", "MST": "America/Denver",
          "MDT": "America/Denver", "PST": "America/Los_Angeles", "PDT": "America/Los_Angeles", "JST": "Asia/Tokyo",
          "AEST": "Australia/Sydney", "AEDT": "Australia/Sydney", "NZST": "Pacific/Auckland",
          "NZDT": "Pacific/Auckland"}  # fmt: skip
#: The years 2000 to 2100, in seconds.
_YEARS_S = (946_684_800, 4_102_444_800)


@dataclass(frozen=True)
class FoundTime:
    """The places of the time's columns, and the format of their cells when they are joined by a space."""

    places: tuple[int, ...]
    format: str
    remark: str = ""
    zone: str | None = None
    is_coarse: bool = False
    is_clock: bool = False

    @property
    def has_zone(self) -> bool:
        """Whether a time zone is not needed."""
        return self.format in EPOCHS


def find_time(names: list[str], columns: list[list[str]], decimal: str) -> FoundTime | None:
    """The column of the time, or the two of date and time. Columns that are called so come first."""
    places = sorted(range(len(names)), key=lambda place: not is_time(names[place]))
    for place in places:
        if found := _format_of(columns[place], _FORMATS, decimal):
            return _with_remarks((place,), columns[place], found, decimal)
    dates = [place for place in places if has_format(columns[place], _DATES)]
    for date in dates:
        for clock in places:
            if clock != date and has_format(columns[clock], CLOCKS):
                cells = [" ".join(pair) for pair in zip(columns[date], columns[clock], strict=True)]
                if found := _format_of(cells, _FORMATS, decimal):
                    return _with_remarks((date, clock), cells, found, decimal)
    for date in dates:  # one row a day
        if found := _format_of(columns[date], _DATES, decimal):
            return _with_remarks((date,), columns[date], found, decimal)
    for place in places:  # times without a date
        cells = [cell for cell in columns[place] if cell]
        for form in CLOCKS:
            if _reads(_reader(form), cells):
                same = sum(earlier == later for earlier, later in pairwise(cells))
                is_coarse = "S" not in form and same > 0.1 * len(cells)
                return FoundTime((place,), form, is_coarse=is_coarse, is_clock=True)
    return None


def has_format(cells: list[str], formats: list[str]) -> bool:
    """Whether a column's first cell has one of these formats."""
    first = next((cell for cell in cells if cell), "")
    return any(_reads(_reader(candidate), [first]) for candidate in formats)


def _reader(time_format: str) -> Callable[[str], object]:
    from datetime import datetime

    return lambda cell: datetime.strptime(cell, time_format)


def _reads(read: Callable[[str], object], cells: list[str]) -> bool:
    try:
        for cell in cells:
            read(cell)
    except (ValueError, OverflowError):
        return False
    return bool(cells)


def _format_of(cells: list[str], formats: list[str], decimal: str) -> list[str]:
    """The formats in which all cells can be read, the most probable first."""
    cells = [cell for cell in cells if cell]
    if not cells:
        return []
    try:
        number = number_in(cells[0], decimal)
    except ValueError:
        pass
    else:
        return [name for name, ms in EPOCHS.items() if _YEARS_S[0] <= number * ms / 1000 <= _YEARS_S[1]][:1]
    if len(cells[0]) >= 10 and cells[0][:4].isdecimal() and _reads(time_reader("iso8601"), cells):
        return ["iso8601"]
    possible = [name for name in formats if _reads(_lenient(name), cells[:1])]
    possible = [name for name in possible if _reads(_lenient(name), cells)]
    possible = [name for name in possible if "%Z" in name or _reads(time_reader(name), cells)]  # no years before 1970
    return sorted(possible, key=lambda name: _steps_back(name, cells))


def _lenient(time_format: str) -> Callable[[str], object]:
    """Reads times with any zone's name, if the format has one."""
    if "%Z" not in time_format:
        return _reader(time_format)
    from sensorpi.sensor.recordings.times import _ZoneNames

    return _ZoneNames(time_format, None)._parse


def _steps_back(time_format: str, cells: list[str]) -> int:
    if "%Z" in time_format:
        return 0
    times = [time_reader(time_format)(cell).ms for cell in cells]
    back = sum(earlier > later for earlier, later in pairwise(times))
    return min(back, len(times) - 1 - back) * 1_000_000 + (max(times) - min(times)) // 86_400_000


def _with_remarks(places: tuple[int, ...], cells: list[str], formats: list[str], decimal: str) -> FoundTime:
    best = formats[0]
    remark = f"or {formats[1]}? The first rows do not tell" if len(formats) > 1 else ""
    if "%Z" in best:
        names = {name for cell in cells for name in _ZONES if f" {name} " in f" {cell} "}
        return FoundTime(places, best, remark, zone=_ZONES[min(names)] if names else None)
    if best in EPOCHS:
        return FoundTime(places, best, remark)
    distinct = len(set(cells))
    return FoundTime(
        places, best, remark, is_coarse=distinct < 0.9 * len(cells) and "S" not in best and best != "iso8601"
    )
