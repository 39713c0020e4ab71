"""One-minute means, kept long after the readings themselves are gone.

Each minute that a reading was stored into is condensed once the minute is over, and again when a
late reading comes: a continuous query never sees those. Which minutes are due is kept in InfluxDB
itself, in measurement `rollup_due`, so that neither a restart nor a move of the job forgets one.
"""

import logging
import math
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from influxdb import InfluxDBClient
from influxdb.line_protocol import make_lines

from sensorpi.common.daemon.outage import Outage
from sensorpi.pipeline.influx.client import AWAY, DATABASE, RAW, READINGS, ROLLUP, fault

_log = logging.getLogger(__name__)

DUE = "rollup_due"
#: A minute is condensed this long after its end: readings of its last seconds are still on their way.
GRACE_S = 5
#: The policy's two years, less an hour so that no step meets the edge: InfluxDB refuses what is older.
KEPT_MINUTES = 104 * 7 * 24 * 60 - 60
#: Trouble that is over sooner is not said.
QUIET_S = 300.0
#: Minutes in one query: bounds the memory of both sides.
STEP_MINUTES = 120


class Rollup:
    """Keeps policy `rollup` in step with policy `raw`, in a thread of its own."""

    def __init__(self, client: InfluxDBClient) -> None:
        self._client = client
        self._lock = threading.Lock()  # between marking a minute due and ticking it off
        self._marked: set[int] = set()
        self._asked = False  # whether the database was asked for what an earlier run left

    def mark(self, minutes: set[int]) -> None:
        """Note durably that these minutes (since the epoch) have new readings.

        Called for each batch after its points are stored and before it is committed. Raises what
        the client raises; marking again is harmless.
        """
        with self._lock:
            new = minutes - self._marked
            if new:
                lines = [f"{DUE} due=1 {minute}" for minute in sorted(new)]
                self._client.write(lines, {"db": DATABASE, "rp": RAW, "precision": "m"}, protocol="line")
                self._marked |= new

    def run(self, stop: threading.Event) -> None:
        """Condense what is due, until told to stop. InfluxDB being away is waited out."""
        outage = Outage("The rollup", _log)
        wait_s = 1.0
        failing_since: float | None = None
        while not stop.wait(wait_s):
            try:
                self.condense_due(int(time.time()))
            except AWAY as error:
                failing_since = failing_since or time.monotonic()
                # The batches say that InfluxDB is away. What is due stays due, and only long trouble is said here too.
                for_long = time.monotonic() - failing_since > QUIET_S
                wait_s = outage.failed(fault(error)) if for_long else 5.0
            else:
                outage.succeeded()
                failing_since, wait_s = None, 1.0

    def condense_due(self, now_s: int) -> int:
        """Condense every minute that is due and over at ``now_s`` (s since the epoch); returns how many."""
        last_minute = (now_s - GRACE_S) // 60 - 1
        with self._lock:
            known = {minute for minute in self._marked if minute <= last_minute}
        if not known and self._asked:
            return 0
        due = self._due(last_minute)
        for first, last in _steps(due):
            with self._lock:
                if last >= last_minute - KEPT_MINUTES:  # a recording may be older than any mean is kept
                    self._condense(max(first, last_minute - KEPT_MINUTES), last)
                self._client.query(f'DELETE FROM "{DUE}" WHERE time >= {first}m AND time <= {last}m', method="POST")
                self._marked -= set(range(first, last + 1))
        self._asked = True
        return len(due)

    def _due(self, last_minute: int) -> list[int]:
        result = self._client.query(f'SELECT "due" FROM "{RAW}"."{DUE}" WHERE time <= {last_minute}m', epoch="m")
        return [int(point["time"]) for point in result.get_points()]

    def _condense(self, first: int, last: int) -> None:
        """Write the means of minutes ``first`` to ``last``, both included."""
        result = self._client.query(
            f'SELECT mean(*) FROM "{RAW}"."{READINGS}" WHERE time >= {first}m AND time < {last + 1}m'
            f" GROUP BY time(1m), * fill(none)",
            epoch="ms",
        )
        points = [_point(tags or {}, row) for (_, tags), rows in result.items() for row in rows]
        if points:
            text = make_lines({"points": points}, precision="ms")
            parameters = {"db": DATABASE, "rp": ROLLUP, "precision": "ms"}
            self._client.write(text.splitlines(), parameters, protocol="line")


def _point(tags: dict[str, str], row: dict[str, Any]) -> dict[str, Any]:
    """A row of means as a point whose fields have the readings' own names."""
    fields = {
        name.removeprefix("mean_"): float(value) for name, value in row.items() if name != "time" and value is not None
    }
    fields.pop("sequence", None)  # a mean of sequence numbers says nothing
    if "heading_sin" in fields and "heading_cos" in fields:
        fields["heading"] = math.degrees(math.atan2(fields["heading_sin"], fields["heading_cos"])) % 360
    return {"measurement": READINGS, "tags": tags, "time": row["time"], "fields": fields}


def _steps(minutes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Cover the minutes with ranges (first, last) of at most STEP_MINUTES that are not mostly empty."""
    first = last = None
    for minute in sorted(minutes):
        if first is not None and last is not None and (minute - last > 10 or minute - first >= STEP_MINUTES):
            yield first, last
            first = None
        first = minute if first is None else first
        last = minute
    if first is not None and last is not None:
        yield first, last
