"""The data that a dashboard shows, queried from InfluxDB as the read-only user."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from influxdb import InfluxDBClient

from sensorpi.pipeline.dashboard.model import Dashboard, Panel, Target
from sensorpi.pipeline.dashboard.query import (
    ALL_HOSTS,
    fill_in,
    grows_with_interval,
    has_resolution,
    host_regex,
    newest_only,
)
from sensorpi.pipeline.dashboard.range import TimeRange, interval_ms
from sensorpi.pipeline.dashboard.series import Point, break_at_gaps, break_at_wraps, reduce, series_name
from sensorpi.pipeline.influx.client import RAW, ROLLUP

#: One point of the rollup covers this interval. For intervals at least as long, it shows as much as the readings.
ROLLUP_STEP_MS = 60_000
#: A rollup that is this far behind the newest reading has stopped, or does not have a replayed recording yet.
ROLLUP_BEHIND_MS = 10 * 60_000
#: The newest reading is first searched for in this time, because InfluxDB reads all the data in the range.
NEWEST_WITHIN_MS = 10 * 60_000
#: How long a list of hosts is used before InfluxDB is asked again.
HOSTS_S = 10.0
MOST_EVENTS = 200


#: A series' tags, sorted.
Tags = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Series:
    """One line: its points without breaks, oldest first, and the current value that the legend shows."""

    target: Target
    tags: dict[str, str]
    points: list[Point]
    current: Point | None


class DashboardData:
    """Runs the dashboards' queries. The client's exceptions are not caught here."""

    def __init__(self, client: InfluxDBClient) -> None:
        self._client = client
        self._hosts: dict[str, tuple[float, list[str]]] = {}
        self._lock = threading.Lock()

    def ping(self) -> None:
        """Send InfluxDB a query as the read-only user."""
        self._client.query("SHOW MEASUREMENTS LIMIT 1")

    def hosts(self, dashboard: Dashboard, needed: str = ALL_HOSTS) -> list[str]:
        """The hosts to choose from, sorted. InfluxDB is asked again if the list does not have the ``needed`` one."""
        with self._lock:
            asked, hosts = self._hosts.get(dashboard.uid, (-HOSTS_S, []))
        if time.monotonic() - asked > HOSTS_S or (needed and needed not in hosts):
            rows = self._client.query(dashboard.hosts_query).get_points()
            hosts = sorted({row["value"] for row in rows})
            with self._lock:
                self._hosts[dashboard.uid] = time.monotonic(), hosts
        return hosts

    def events(self, dashboard: Dashboard, time_range: TimeRange) -> list[dict[str, Any]]:
        """The newest annotations in the range, oldest first."""
        if dashboard.events_query is None:
            return []
        query = fill_in(dashboard.events_query, time_range, 0, "", RAW)
        rows = self._client.query(f"{query} ORDER BY time DESC LIMIT {MOST_EVENTS}", epoch="ms").get_points()
        return [{"time": row["time"], "kind": row["kind"], "text": row["text"]} for row in reversed(list(rows))]

    def panel(
        self, dashboard: Dashboard, panel: Panel, time_range: TimeRange, host: str, width_px: int
    ) -> dict[str, Any]:
        """The panel's lines for the page. Raises UnknownHostError."""
        pattern = host_regex(host, self.hosts(dashboard, host))
        step_ms = interval_ms(time_range, width_px, panel.min_interval_ms)
        resolution, series = self._best_resolution(panel, time_range, step_ms, pattern)
        return {
            "from": time_range.start_ms,
            "to": time_range.end_ms,
            "interval": step_ms,
            "resolution": resolution,
            "series": [_drawn(panel, line, time_range, step_ms) for line in series],
        }

    def _best_resolution(
        self, panel: Panel, time_range: TimeRange, step_ms: int, pattern: str
    ) -> tuple[str, list[Series]]:
        """The readings for short ranges and the one-minute means for long ones, unless only the other has data."""
        if not all(has_resolution(target.query) for target in panel.targets):
            return RAW, self._ask(panel, time_range, step_ms, pattern, RAW)
        first, second = (RAW, ROLLUP) if step_ms < ROLLUP_STEP_MS else (ROLLUP, RAW)
        series = self._ask(panel, time_range, step_ms, pattern, first)
        newest_ms = max((line.points[-1][0] for line in series if line.points), default=None)
        behind_ms = max(ROLLUP_BEHIND_MS, 2 * step_ms)
        current_ms = max((line.current[0] for line in series if line.current), default=0)
        if newest_ms is not None and (first == RAW or newest_ms >= current_ms - behind_ms):
            return first, series
        others = self._ask(panel, time_range, step_ms, pattern, second)
        return (second, others) if any(line.points for line in others) else (first, series)

    def _ask(self, panel: Panel, time_range: TimeRange, step_ms: int, pattern: str, resolution: str) -> list[Series]:
        """The panel's lines with their current values."""
        statements = [fill_in(target.query, time_range, step_ms, pattern, resolution) for target in panel.targets]
        found = self._statements(statements)
        newest: dict[str, dict[Tags, Point]] = {}
        if panel.calculation == "lastNotNull":
            newest = self._newest(panel, _tail(time_range, NEWEST_WITHIN_MS), pattern)
            ends = [points[-1][0] for rows in found for points in rows.values()]
            if not any(newest.values()) and ends:  # nothing arrived recently: look where the lines end
                end_ms = min(max(ends) + step_ms, time_range.end_ms)
                newest = self._newest(panel, TimeRange(max(ends), max(end_ms, max(ends) + 1)), pattern)
        lines = []
        for target, rows in zip(panel.targets, found, strict=True):
            currents = newest.get(target.ref_id, {})
            for tags in rows | currents:
                points = rows.get(tags, [])
                current = currents.get(tags) or reduce(points, panel.calculation)
                lines.append(Series(target, dict(tags), points, current))
        return lines

    def _newest(self, panel: Panel, time_range: TimeRange, pattern: str) -> dict[str, dict[Tags, Point]]:
        """The newest reading behind each line, by ``ref_id`` and tags.

        With an interval of one millisecond, a mean is of one reading, so the panel's own query returns it.
        """
        targets = [target for target in panel.targets if not grows_with_interval(target.query)]
        found = self._statements(
            [newest_only(fill_in(target.query, time_range, 1, pattern, RAW)) for target in targets]
        )
        return {
            target.ref_id: {tags: points[-1] for tags, points in rows.items()}
            for target, rows in zip(targets, found, strict=True)
        }

    def _statements(self, statements: Sequence[str]) -> list[dict[Tags, list[Point]]]:
        """Each statement's series that have points, by their tags."""
        if not statements:
            return []
        answer = self._client.query("; ".join(statements), epoch="ms")
        found: list[dict[Tags, list[Point]]] = []
        for result in answer if isinstance(answer, list) else [answer]:
            rows = {
                tuple(sorted(series.get("tags", {}).items())): [
                    (row[0], row[1]) for row in series["values"] if row[1] is not None
                ]
                for series in result.raw.get("series", [])
            }
            found.append({tags: points for tags, points in rows.items() if points})
        return found


def _tail(time_range: TimeRange, length_ms: int) -> TimeRange:
    return TimeRange(max(time_range.start_ms, time_range.end_ms - length_ms), time_range.end_ms)


def _drawn(panel: Panel, line: Series, time_range: TimeRange, step_ms: int) -> dict[str, Any]:
    points = line.points
    if grows_with_interval(line.target.query):  # the range cuts the first and the last interval
        points = [point for point in points if time_range.start_ms <= point[0] <= time_range.end_ms - step_ms] or points
    points = break_at_gaps(points, step_ms)
    if panel.wraps_at is not None:
        points = break_at_wraps(points, panel.wraps_at)
    return {
        "name": series_name(line.target.alias, line.tags),
        "host": line.tags.get("host", ""),
        "color": line.target.color,
        "points": points,
        "current": line.current,
    }
