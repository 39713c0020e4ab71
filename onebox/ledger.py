"""The readings of this run, from the sensor's events: what was read, acknowledged and seen in the database."""

import json
import threading
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class ReadingId(NamedTuple):
    """Identifies a reading."""

    sensor: str
    boot: str
    sequence: int


@dataclass
class Ledger:
    """Filled from the sensor's events by one thread, read by others."""

    readings: int = 0
    acknowledged: int = 0
    ended: bool = False
    boots: set[str] = field(default_factory=set)
    sensors: set[str] = field(default_factory=set)
    #: The timestamps of this run's readings, ms since the epoch.
    oldest_ms: int | None = None
    newest_ms: int | None = None
    last_values: dict[str, float] = field(default_factory=dict)
    #: From the driver's read to the first query that returned the point, in ms.
    latencies_ms: "array[float]" = field(default_factory=lambda: array("d"))
    #: Readings that no query has returned yet -> (timestamp in ms, monotonic ns at the read).
    _unseen: dict[ReadingId, tuple[int, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def follow(self, events: Iterable[str], keep_unseen: bool) -> None:
        """Read events, one JSON object per line, until the sensor closes the stream."""
        for line in events:
            event = json.loads(line)
            kind = event.get("event")
            if kind == "read":
                self._read(event, keep_unseen)
            elif kind == "acknowledged":
                self.acknowledged = event["count"]
            elif kind == "end":
                self.acknowledged = event["acknowledged"]
                self.ended = True

    def _read(self, event: dict[str, object], keep_unseen: bool) -> None:
        reading = ReadingId(str(event["sensor"]), str(event["boot"]), int(str(event["sequence"])))
        timestamp_ms, monotonic_ns = int(str(event["timestamp"])), int(str(event["monotonic_ns"]))
        with self._lock:
            self.readings += 1
            self.boots.add(reading.boot)
            self.sensors.add(reading.sensor)
            self.oldest_ms = timestamp_ms if self.oldest_ms is None else min(self.oldest_ms, timestamp_ms)
            self.newest_ms = timestamp_ms if self.newest_ms is None else max(self.newest_ms, timestamp_ms)
            if isinstance(values := event.get("values"), dict):
                self.last_values = values
            if keep_unseen:
                self._unseen[reading] = (timestamp_ms, monotonic_ns)

    def unseen_range_ms(self) -> tuple[int, int] | None:
        """Timestamps of the oldest and the newest reading that no query has returned yet, ms since the epoch."""
        with self._lock:
            timestamps = [timestamp_ms for timestamp_ms, _ in self._unseen.values()]
        return (min(timestamps), max(timestamps)) if timestamps else None

    def seen(self, readings: Iterable[ReadingId], monotonic_ns: int) -> None:
        """Record that a query which ended at ``monotonic_ns`` returned these readings."""
        with self._lock:
            for reading in readings:
                if (taken := self._unseen.pop(reading, None)) is not None:
                    self.latencies_ms.append((monotonic_ns - taken[1]) / 1e6)

    def latency_ms(self) -> dict[str, float] | None:
        """The median and the 99th percentile; None if there are no latencies."""
        if not self.latencies_ms:
            return None
        ordered = sorted(self.latencies_ms)
        return {f"p{percent}": round(ordered[_rank(len(ordered), percent)], 1) for percent in (50, 99)}


def _rank(count: int, percent: int) -> int:
    """The nearest-rank percentile's index in an ordered list."""
    return max(0, -(-count * percent // 100) - 1)
