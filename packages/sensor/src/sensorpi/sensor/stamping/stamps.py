"""Timestamps: strictly increasing for each sensor, and only from a clock that is synchronised.

The newest timestamp is kept in the runtime directory, which is in memory, and is written to the state directory only at
a clean stop, so that a healthy sensor does not write to its card. A power cut loses it, which matters only if the clock
had been ahead of the true time.
"""

import json
import logging
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sensorpi.common.errors import UserError
from sensorpi.common.files import write
from sensorpi.common.reading import Reading

log = logging.getLogger(__name__)

#: Readings kept while the clock is not synchronised: five and a half hours with one per second, about 20 MB.
MOST_HELD = 20_000


class ReadingClock(Protocol):
    """The clock for timestamps, such as ``sensorpi.sensor.stamping.clock.Clock``."""

    def synchronised(self) -> bool:
        """Whether timestamps can be made."""

    def at_ms(self, monotonic_ns: int) -> int:
        """The time, in ms UTC, for a value of ``time.monotonic_ns``."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A reading that has no timestamp yet."""

    sensor: str
    host: str
    boot: str
    sequence: int
    monotonic_ns: int
    values: dict[str, float]
    timestamp_ms: int | None = None
    after_first_ms: int | None = None


class LatestTimestamps:
    """Each sensor's newest timestamp (ms), kept in memory and in small files."""

    def __init__(self, runtime: Path | None, state: Path) -> None:
        """Read what earlier runs left. ``runtime`` is a directory in memory, or None."""
        self._runtime = runtime / "latest-timestamps.json" if runtime is not None else None
        self._state = state / "latest-timestamps.json"
        self._latest: dict[str, int] = {}
        for file in (self._state, self._runtime):
            if file is not None:
                self.include(self._read(file))

    @staticmethod
    def _read(file: Path) -> dict[str, int]:
        try:
            latest = json.loads(file.read_text(encoding="utf-8"))
            return {str(sensor): int(timestamp) for sensor, timestamp in latest.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.warning("%s cannot be read and is ignored: %s", file, error)
            return {}

    def include(self, latest: dict[str, int]) -> None:
        """Add timestamps that are known from elsewhere, such as from the spool."""
        for sensor, timestamp_ms in latest.items():
            self._latest[sensor] = max(timestamp_ms, self._latest.get(sensor, timestamp_ms))

    def newest(self) -> int:
        """The newest timestamp of all sensors; 0 if there is none."""
        return max(self._latest.values(), default=0)

    def following(self, sensor: str, wanted_ms: int) -> int:
        """The wanted timestamp, or the next millisecond after the sensor's newest."""
        timestamp_ms = max(wanted_ms, self._latest.get(sensor, -1) + 1)
        self._latest[sensor] = timestamp_ms
        if self._runtime is not None:
            self._write(self._runtime)
        return timestamp_ms

    def close(self) -> None:
        """Write them to the card, at a clean stop only."""
        if self._latest:
            self._write(self._state)

    def _write(self, file: Path) -> None:
        try:
            write(file, json.dumps(self._latest))
        except UserError as error:
            log.warning("%s", error)


class Stamper:
    """Turns samples into readings, and keeps them while the clock is not synchronised."""

    def __init__(self, clock: ReadingClock, latest: LatestTimestamps, most_held: int = MOST_HELD) -> None:
        self._clock, self._latest = clock, latest
        self.held: deque[Sample] = deque()
        self._most_held = most_held
        self._dropping_is_logged = False
        self._first_ms: int | None = None

    def stamp(self, sample: Sample) -> list[tuple[Sample, Reading]]:
        """The readings that are ready now, each with its sample, in the order in which they were taken."""
        if sample.timestamp_ms is not None:
            return [(sample, self._reading(sample, sample.timestamp_ms))]
        self.held.append(sample)
        if len(self.held) > self._most_held:
            self.held.popleft()
            if not self._dropping_is_logged:
                self._dropping_is_logged = True
                log.warning(
                    "the clock is not synchronised and %d readings wait for it: the oldest are dropped", self._most_held
                )
        return self.release()

    def release(self) -> list[tuple[Sample, Reading]]:
        """The readings that waited, if the clock is synchronised now."""
        if not self.held or not self._clock.synchronised():
            return []
        readings = [(sample, self._reading(sample, self._stamped(sample))) for sample in self.held]
        self.held.clear()
        return readings

    def _stamped(self, sample: Sample) -> int:
        wanted_ms = self._clock.at_ms(sample.monotonic_ns)
        if sample.after_first_ms is not None:
            if self._first_ms is None:
                self._first_ms = max(wanted_ms, self._latest.newest() + 1)
            wanted_ms = self._first_ms + sample.after_first_ms
        return self._latest.following(sample.sensor, wanted_ms)

    @staticmethod
    def _reading(sample: Sample, timestamp_ms: int) -> Reading:
        return Reading(sample.sensor, sample.host, sample.boot, sample.sequence, timestamp_ms, sample.values)
