"""One-minute means, which are kept long after the readings themselves have expired.

The mean of a minute is computed once the minute is over, and again after a late reading, which InfluxDB's continuous
queries would miss. The minutes that are due are stored in InfluxDB itself, in measurement `rollup_due`, so that none is
forgotten when the job is restarted or runs on another node.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import requests
from influxdb import InfluxDBClient
from influxdb.exceptions import InfluxDBClientError, InfluxDBServerError
from influxdb.line_protocol import make_lines, quote_ident

from sensorpi.common.daemon.outage import Outage
from sensorpi.pipeline.influx.client import DATABASE, INFLUXDB_ERRORS, RAW, READINGS, ROLLUP, fault
from sensorpi.pipeline.job.lines import InfluxUnavailable, LineWriter

_log = logging.getLogger(__name__)

DUE = "rollup_due"
#: A minute is condensed this long after its end, when the readings of its last seconds have arrived.
GRACE_S = 5
#: The policy's two years, less an hour for safety: InfluxDB refuses older points.
KEPT_MINUTES = 104 * 7 * 24 * 60 - 60
#: An outage shorter than this is not logged here: the batches log it.
QUIET_S = 300.0
#: The maximum number of minutes in one request, which limits the memory that both sides need.
STEP_MINUTES = 120
#: The maximum number of series and of fields in one request, unless their product is smaller than that of these two.
#: InfluxDB takes 3 KB for each field of each series: with 20,000 series it grew by 700 MB.
SERIES_PER_QUERY = 2_000
FIELDS_PER_QUERY = 12
#: Minutes that are due and not further apart than this form one range; the minutes between them are computed again.
_GAP_MINUTES = 10
#: A minute that failed is tried again this often.
RETRY_S = 3600.0

#: HTTP statuses whose cause is not in the minutes that were queried.
_NOT_THE_MINUTES_FAULT = (401, 403, 404, 429, 503)


class Part(NamedTuple):
    """What one request asks for: fields, and the end of the statement, which limits the series."""

    fields: Sequence[str]
    limit: str


#: The first and the last minute of a range since the epoch, both included.
Range = tuple[int, int]


class Rollup:
    """Keeps policy `rollup` in step with policy `raw`, in its own thread."""

    def __init__(self, client: InfluxDBClient, stored: Callable[[], tuple[Sequence[str], int]]) -> None:
        """``client`` receives MessagePack, because JSON cannot express an infinite mean.

        ``stored`` returns the names of the fields to average, those of our own sensors first, and the number of series,
        or a greater number. It raises one of ``INFLUXDB_ERRORS`` if it does not know.
        """
        self._client = client
        self._stored = stored
        self._parts: list[Part] = []
        self._writer = LineWriter(client, policy=ROLLUP)
        self._lock = threading.Lock()  # a minute must not be marked while it is removed from those that are due
        self._marked: set[int] = set()
        self._marked_meanwhile: set[int] = set()
        self._asked = False  # whether the database was asked for minutes that an earlier run left
        #: Minutes that were set aside, each with the time of its next try in s since the epoch.
        self._failed: dict[int, float] = {}
        self._reasons: set[str] = set()  # that were logged

    def mark(self, minutes: set[int]) -> None:
        """Record durably that these minutes (since the epoch) have new readings.

        To be called for each batch after its points are stored and before it is committed. Raises what
        the client raises; marking a minute again is harmless.
        """
        with self._lock:
            self._marked_meanwhile |= minutes
            new = minutes - self._marked
            if new:
                lines = [f"{DUE} due=1 {minute}" for minute in sorted(new)]
                self._client.write(lines, {"db": DATABASE, "rp": RAW, "precision": "m"}, protocol="line")
                self._marked |= new

    def run(self, stop: threading.Event) -> None:
        """Condense the minutes that are due, until ``stop`` is set. Retries while InfluxDB is unavailable."""
        outage = Outage("The rollup", _log)
        wait_s = 1.0
        failing_since: float | None = None
        while not stop.wait(wait_s):
            try:
                self.condense_due(int(time.time()))
            except (*INFLUXDB_ERRORS, InfluxUnavailable) as error:
                failing_since = failing_since or time.monotonic()
                # What is due stays due.
                for_long = time.monotonic() - failing_since > QUIET_S
                wait_s = outage.failed(fault(error)) if for_long else 5.0
            else:
                outage.succeeded()
                failing_since, wait_s = None, 1.0

    def condense_due(self, now_s: int) -> int:
        """Condense the minutes that are due and over at ``now_s`` (s since the epoch); return how many there were.

        A minute that fails is set aside, stays due, and is tried again after an hour. Raises one of
        ``INFLUXDB_ERRORS`` or InfluxUnavailable when InfluxDB is unavailable.
        """
        last_minute = (now_s - GRACE_S) // 60 - 1
        retry = {minute for minute, retry_s in self._failed.items() if retry_s <= now_s}
        with self._lock:
            known = {minute for minute in self._marked - self._failed.keys() if minute <= last_minute}
        if self._asked and not known and not retry:
            return 0
        self._parts = list(_parts(*self._stored()))
        self._asked = False  # until all of it is done
        self._failed = {minute: retry_s for minute, retry_s in self._failed.items() if minute not in retry}
        due = [minute for minute in self._due(last_minute) if minute not in self._failed]
        for ranges in _steps(due):
            with self._lock:
                self._marked_meanwhile = set()
            failed = self._condense(ranges, oldest=last_minute - KEPT_MINUTES)
            self._tick_off(ranges, failed, now_s)
        self._asked = True
        return len(due)

    def _due(self, last_minute: int) -> list[int]:
        result = self._client.query(f'SELECT "due" FROM "{RAW}"."{DUE}" WHERE time <= {last_minute}m', epoch="m")
        return [int(point["time"]) for point in result.get_points()]

    def _condense(self, ranges: Sequence[Range], oldest: int) -> dict[int, str]:
        """Write the means of some ranges; return the minutes that failed, with their reasons."""
        kept = [(max(first, oldest), last) for first, last in ranges if last >= oldest]  # a recording may be older
        if not kept:
            return {}
        failed: dict[int, str] = {}
        try:
            for part in self._parts:
                failed |= self._write(self._means(kept, part))
        except (InfluxDBClientError, InfluxDBServerError, requests.Timeout, ValueError) as error:
            if getattr(error, "code", None) in _NOT_THE_MINUTES_FAULT:
                raise
            self._client.ping()  # raises in an outage
            halves = _halves(kept)
            if len(halves) == 1:
                return {kept[0][0]: fault(error)}
            return self._condense(halves[0], oldest) | self._condense(halves[1], oldest)
        return failed

    def _means(self, ranges: Sequence[Range], part: Part) -> list[dict[str, Any]]:
        means = ", ".join(f"mean({name}) AS {name}" for name in map(quote_ident, part.fields))
        statements = [
            f'SELECT {means} FROM "{RAW}"."{READINGS}" WHERE time >= {first}m AND time < {last + 1}m'
            f" GROUP BY time(1m), * fill(none){part.limit}"
            for first, last in ranges
        ]
        answer = self._client.query("; ".join(statements), epoch="ms", method="POST")
        results = answer if isinstance(answer, list) else [answer]
        return [
            point
            for result in results
            for (_, tags), rows in result.items()
            for row in rows
            if (point := _point(tags or {}, row))["fields"]
        ]

    def _write(self, points: list[dict[str, Any]]) -> dict[int, str]:
        """Write points; return the minutes of those that InfluxDB refuses, with its reasons."""
        lines = [make_lines({"points": [point]}, precision="ms").rstrip("\n").encode() for point in points]
        refusals = self._writer.write(list(enumerate(lines)), give_up_on_common_cause=True)
        return {points[refusal.offset]["time"] // 60_000: refusal.reason for refusal in refusals}

    def _tick_off(self, ranges: Sequence[Range], failed: dict[int, str], now_s: int) -> None:
        """Remove the minutes of some ranges from those that are due, unless they failed or were marked again."""
        for reason in {*failed.values()} - self._reasons:
            minutes = [minute for minute, each in failed.items() if each == reason]
            _log.error(
                "The means of minute %s and of %d others could not be written: %s. Retrying every hour.",
                time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(min(minutes) * 60)), len(minutes) - 1, reason,
            )  # fmt: skip
            self._reasons.add(reason)
        with self._lock:
            self._failed |= dict.fromkeys(failed, now_s + RETRY_S)
            for first, last in _between({*self._failed} | self._marked_meanwhile, ranges[0][0], ranges[-1][1]):
                self._client.query(f'DELETE FROM "{DUE}" WHERE time >= {first}m AND time <= {last}m', method="POST")
                self._marked = {minute for minute in self._marked if not first <= minute <= last}


def _parts(fields: Sequence[str], series: int) -> Iterator[Part]:
    """The requests for these fields of all series. They are named, so that what a mean costs does not depend on others.

    The first FIELDS_PER_QUERY fields stay together.
    """
    if len(fields) * series <= FIELDS_PER_QUERY * SERIES_PER_QUERY:
        yield Part(fields, "")
        return
    # New series shift others to higher offsets meanwhile.
    for offset in range(0, series + SERIES_PER_QUERY, SERIES_PER_QUERY):
        for first in range(0, len(fields), FIELDS_PER_QUERY):
            some = fields[first : first + FIELDS_PER_QUERY]
            yield Part(some, f" SLIMIT {SERIES_PER_QUERY} SOFFSET {offset}")


def _point(tags: dict[str, str], row: dict[str, Any]) -> dict[str, Any]:
    """A row of means as a point whose fields have the readings' names. Means that are not finite are left out."""
    fields = {
        name: float(value)
        for name, value in row.items()
        if name != "time" and value is not None and math.isfinite(value)
    }
    if "heading_sin" in fields and "heading_cos" in fields:
        fields["heading"] = math.degrees(math.atan2(fields["heading_sin"], fields["heading_cos"])) % 360
    return {"measurement": READINGS, "tags": tags, "time": row["time"], "fields": fields}


def _ranges(minutes: Sequence[int]) -> Iterator[Range]:
    """Cover sorted minutes with ranges of at most STEP_MINUTES that are not mostly empty."""
    first = last = None
    for minute in minutes:
        if first is not None and last is not None and (minute - last > _GAP_MINUTES or minute - first >= STEP_MINUTES):
            yield first, last
            first = None
        first = minute if first is None else first
        last = minute
    if first is not None and last is not None:
        yield first, last


def _steps(minutes: Sequence[int]) -> Iterator[list[Range]]:
    """Lists of ranges that cover sorted minutes, each of at most STEP_MINUTES in all."""
    step: list[Range] = []
    left = STEP_MINUTES
    for first, last in _ranges(minutes):
        length = last - first + 1
        if step and length > left:
            yield step
            step, left = [], STEP_MINUTES
        step.append((first, last))
        left -= length
    if step:
        yield step


def _between(exceptions: Iterable[int], first: int, last: int) -> Iterator[Range]:
    """The ranges from ``first`` to ``last`` that have none of the exceptions."""
    for exception in sorted(minute for minute in exceptions if first <= minute <= last):
        if first < exception:
            yield first, exception - 1
        first = exception + 1
    if first <= last:
        yield first, last


def _halves(ranges: Sequence[Range]) -> list[list[Range]]:
    """Split ranges into two parts, or one part if there is only a single minute."""
    if len(ranges) > 1:
        middle = len(ranges) // 2
        return [list(ranges[:middle]), list(ranges[middle:])]
    [(first, last)] = ranges
    if first == last:
        return [[(first, last)]]
    middle = (first + last) // 2
    return [[(first, middle)], [(middle + 1, last)]]
