"""Prepares a query's rows for drawing: breaks in the line, the current value, names."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median

#: (ms since the epoch, value). A value of None breaks the line.
Point = tuple[int, float | None]

#: A line breaks where two points are further apart than this multiple of their usual distance.
GAP_STEPS = 3

_ALIAS_PART = re.compile(r"\$tag_(\w+)|\[\[tag_(\w+)\]\]")


def break_at_gaps(points: Sequence[Point], interval_ms: int) -> list[Point]:
    """The points with a break wherever data is missing.

    The usual distance is the interval or, if the sensor is slower, the median distance of the points.
    """
    distances = [after[0] - before[0] for before, after in pairwise(points)]
    if not distances:
        return list(points)
    step_ms = max(interval_ms, round(median(distances)))
    broken = [points[0]]
    for distance, point in zip(distances, points[1:], strict=True):
        if distance > GAP_STEPS * step_ms:
            broken.append((broken[-1][0] + step_ms, None))
        broken.append(point)
    return broken


def break_at_wraps(points: Sequence[Point], wraps_at: float) -> list[Point]:
    """The points with a break wherever the value goes the short way round, past 0 or ``wraps_at``."""
    broken: list[Point] = []
    for point in points:
        if broken:
            time_before, before = broken[-1]
            if before is not None and point[1] is not None and abs(point[1] - before) > wraps_at / 2:
                broken.append(((time_before + point[0]) // 2, None))
        broken.append(point)
    return broken


def reduce(points: Sequence[Point], calculation: str) -> Point | None:
    """Grafana's calculation over the points that have a value, with the time of the newest; None if there are none."""
    values = [value for _, value in points if value is not None]
    if not values:
        return None
    newest_ms = next(time_ms for time_ms, value in reversed(points) if value is not None)
    match calculation:
        case "sum":
            return newest_ms, sum(values)
        case "mean":
            return newest_ms, sum(values) / len(values)
        case "min":
            return newest_ms, min(values)
        case "max":
            return newest_ms, max(values)
        case _:
            return newest_ms, values[-1]


def series_name(alias: str, tags: Mapping[str, str]) -> str:
    """Grafana's alias with the series' tags filled in."""
    return _ALIAS_PART.sub(lambda part: tags.get(part[1] or part[2], ""), alias).strip()
