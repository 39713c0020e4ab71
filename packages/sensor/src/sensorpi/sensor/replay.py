"""Plays a recording: the whole of it is checked first, then each row is felt by the emulated chips."""

import logging
from array import array
from collections import defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from sensorpi.common.errors import UserError
from sensorpi.sensor.environment import Moment
from sensorpi.sensor.recorded_conditions import conditions_of, fields_of, saturated
from sensorpi.sensor.recording import Row, open_recording

log = logging.getLogger(__name__)


class Replay:
    """The environment of a recording, at a multiple of its own speed."""

    can_wait = True

    def __init__(self, file: Path, map_name: str | None, speed: float | None, original: bool,
                 sensor: str, host: str) -> None:
        """Check the file. ``speed`` None is as fast as readings are taken; ``original`` keeps recorded times.

        ``sensor`` and ``host`` are for rows that name none. Raises UserError for what is wrong in the file.
        """
        self._recording = open_recording(file, map_name)
        self._speed, self._original = speed, original
        self._sensor, self._host = sensor, host
        self._left_out = self._check()

    def moments(self) -> Iterator[Moment]:
        """One moment for each row. The first row is due at 0, and so is any that lies before it in time."""
        first_ms: int | None = None
        counts = self._recording.colours_are_counts
        for row in self._recording.rows():
            if row.line in self._left_out:
                continue
            first_ms = row.time_ms if first_ms is None else first_ms
            after_ms = row.time_ms - first_ms
            played_ms = after_ms / self._speed if self._speed is not None else 0.0
            yield Moment(
                due_s=max(played_ms / 1000, 0.0),
                environment_s=after_ms / 1000,
                conditions=conditions_of(row.values, counts),
                sensor=row.sensor or self._sensor,
                host=row.host or self._host,
                timestamp_ms=row.time_ms if self._original else None,
                after_first_ms=None if self._original else round(played_ms),
                fields=fields_of(row.values, counts),
            )

    def _check(self) -> frozenset[int]:
        """Lines that repeat an earlier one. Memory: 24 bytes a row."""
        file = self._recording.file
        repeats: defaultdict[str, _Repeats] = defaultdict(_Repeats)
        outside, first_outside, rows = 0, "", 0
        for row in self._recording.rows():
            rows += 1
            repeats[row.sensor or self._sensor].add(row)
            for description in saturated(row.values, self._recording.colours_are_counts):
                outside += 1
                first_outside = first_outside or f"line {row.line}, {description}"
        if not rows:
            raise UserError(f"{file}: there is no row in it")
        if outside:
            log.warning("%s: %d values are outside what the chips can measure and saturate, the first in %s",
                        file, outside, first_outside)
        left_out: set[int] = set()
        for sensor, seen in repeats.items():
            left_out |= seen.identical(file, sensor)
        if left_out:
            log.warning("%s: %d rows repeat an earlier one exactly and are left out", file, len(left_out))
        return frozenset(left_out)


class _Repeats:
    """Finds rows of one sensor that have the same time."""

    def __init__(self) -> None:
        self._times, self._digests, self._lines = array("q"), array("Q"), array("q")
        self._ascending = True

    def add(self, row: Row) -> None:
        """Note a row."""
        self._ascending = self._ascending and (not self._times or row.time_ms > self._times[-1])
        content = repr((row.host, sorted(row.values.items()))).encode()
        self._times.append(row.time_ms)
        self._digests.append(int.from_bytes(blake2b(content, digest_size=8).digest(), "little"))
        self._lines.append(row.line)

    def identical(self, file: Path, sensor: str) -> set[int]:
        """Lines that say again what an earlier line says; raises UserError for one that says otherwise."""
        if self._ascending:
            return set()
        same: set[int] = set()
        order = sorted(range(len(self._times)), key=self._times.__getitem__)  # stable: earlier lines first
        first = order[0]
        for index in order[1:]:
            if self._times[index] != self._times[first]:
                first = index
            elif self._digests[index] == self._digests[first]:
                same.add(self._lines[index])
            else:
                raise UserError(
                    f"{file}, line {self._lines[index]}: {sensor} has other values at the same time "
                    f"({self._times[index]} ms) in line {self._lines[first]}"
                )
        return same
