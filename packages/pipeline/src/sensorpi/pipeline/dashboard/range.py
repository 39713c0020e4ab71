"""Time ranges of the dashboard: their notation, and the interval between a curve's points."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

#: The time units of Grafana's notation, in ms.
TIME_UNITS_MS = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 7 * 86_400_000,
    "M": 30 * 86_400_000,
    "y": 365 * 86_400_000,
}
#: Longer ranges are refused as typing errors.
LONGEST_MS = 50 * TIME_UNITS_MS["y"]
#: InfluxDB's times are nanoseconds in 64 bits. A year less at both ends, because intervals are aligned.
EARLIEST_MS = -(2**63) // 1_000_000 + TIME_UNITS_MS["y"]
LATEST_MS = 2**63 // 1_000_000 - TIME_UNITS_MS["y"]

#: Lengths of an interval, in ms, that divide minutes, hours or days without a remainder.
_ROUND_MS = [
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(n * TIME_UNITS_MS["s"] for n in (1, 2, 3, 5, 10, 15, 20, 30)),
    *(n * TIME_UNITS_MS["m"] for n in (1, 2, 3, 5, 10, 15, 20, 30)),
    *(n * TIME_UNITS_MS["h"] for n in (1, 2, 3, 4, 6, 8, 12)),
    *(n * TIME_UNITS_MS["d"] for n in (1, 2, 3, 4, 7, 14, 28, 56)),
]
#: The distance between two points of a curve, in pixels.
_PIXELS_PER_POINT = 2


class RangeError(ValueError):
    """A time or a range that is not valid; its text is one line for the user."""


@dataclass(frozen=True)
class TimeRange:
    """From ``start_ms`` (included) to ``end_ms`` (included), both ms since the epoch."""

    start_ms: int
    end_ms: int

    @property
    def length_ms(self) -> int:
        """Its length in ms."""
        return self.end_ms - self.start_ms


def parse_duration_ms(text: str) -> int:
    """A duration in Grafana's notation, such as 10s or 5m, in ms. Raises RangeError."""
    match = re.fullmatch(r"([0-9]{1,9})(ms|[smhdwMy])", text)
    if match is None:
        raise RangeError(f"“{text}” is not a duration: expected a number and a unit, such as 15m")
    return int(match[1]) * TIME_UNITS_MS[match[2]]


def parse_time_ms(text: str, now_ms: int) -> int:
    """A point in time: ``now``, ``now-15m``, ms since the epoch, or ISO 8601 (UTC unless it says otherwise).

    Raises RangeError.
    """
    if text == "now":
        return now_ms
    if text.startswith("now-"):
        return now_ms - parse_duration_ms(text.removeprefix("now-"))
    if re.fullmatch(r"-?[0-9]{1,14}", text, re.ASCII):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise RangeError(f"“{text}” is not a time: expected now-15m, 2026-11-24T12:00:00Z or milliseconds") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def parse_range(start: str, end: str, now_ms: int) -> TimeRange:
    """The range between two times. Raises RangeError if it is empty or much too long."""
    time_range = TimeRange(parse_time_ms(start, now_ms), parse_time_ms(end, now_ms))
    if not 0 < time_range.length_ms <= LONGEST_MS:
        raise RangeError(f"“{start}” to “{end}” is not a range: it must end after its start, and within 50 years")
    if not EARLIEST_MS <= time_range.start_ms < time_range.end_ms <= LATEST_MS:
        raise RangeError(f"“{start}” to “{end}” is outside of the years 1679 to 2260")
    return time_range


def interval_ms(time_range: TimeRange, width_px: int, min_interval_ms: int) -> int:
    """The interval that one point of a curve covers, so that the curve fits into ``width_px``."""
    points = max(50, min(width_px, 4000)) / _PIXELS_PER_POINT
    wanted_ms = max(time_range.length_ms / points, min_interval_ms)
    return next((length for length in _ROUND_MS if length >= wanted_ms), _ROUND_MS[-1])
