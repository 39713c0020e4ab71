"""Recordings: opened with their mapping, and checked completely before they are used."""

import logging
from array import array
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from sensorpi.common.errors import UserError
from sensorpi.common.reading import DEFAULT_SENSOR
from sensorpi.sensor.recordings.conditions import saturated
from sensorpi.sensor.recordings.mapping import Mapping, load_mapping
from sensorpi.sensor.recordings.rows import Row, csv_rows, json_rows

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording:
    """A file that can be read from its beginning any number of times."""

    file: Path
    mapping: Mapping | None  # None: JSON lines of readings

    @property
    def colours_are_counts(self) -> bool:
        """Whether red, green and blue are raw counts."""
        return self.mapping is not None and self.mapping.colours_are_counts

    def rows(self) -> Iterator[Row]:
        """All rows, in the file's order. Raises UserError with file, line, column, value, and what was expected."""
        try:
            with self.file.open(encoding="utf-8-sig", newline="") as text:
                yield from (
                    json_rows(self.file, text) if self.mapping is None else csv_rows(self.file, text, self.mapping)
                )
        except OSError as error:
            raise UserError(f"{self.file}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{self.file}: not UTF-8 text ({error.reason} at byte {error.start} of a block)") from error


def open_recording(file: Path, map_name: str | None) -> Recording:
    """A recording with its mapping: a shipped one, a TOML file, or ``readings`` for JSON lines.

    Raises UserError.
    """
    if map_name == "readings" or (map_name is None and file.suffix in (".jsonl", ".ndjson")):
        mapping = None
    elif map_name is None:
        raise UserError(
            f"{file}: --map must tell what its columns are: a shipped mapping such as astro-pi, "
            "a TOML file, or readings for JSON lines"
        )
    else:
        mapping = load_mapping(map_name)
    if file.exists() and not file.is_file():
        raise UserError(f"{file}: a recording must be a regular file, because it is read twice")
    return Recording(file, mapping)


@dataclass(frozen=True)
class Checked:
    """A recording's oldest and newest time, and the lines that repeat an earlier line."""

    times_ms: tuple[int, int]
    repeating_lines: frozenset[int]


def check_recording(file: Path, map_name: str | None) -> tuple[int, int]:
    """The oldest and newest time of a recording, in ms UTC. Raises UserError for a mistake in it."""
    return check(open_recording(file, map_name), DEFAULT_SENSOR).times_ms


def check(recording: Recording, sensor: str) -> Checked:
    """Read all rows; ``sensor`` is for those that do not name one. This needs 24 bytes of memory per row.

    Raises UserError for the first mistake, and for a row with other values for the same sensor and time.
    Logs one line for values that the chips cannot measure, and one for rows that repeat an earlier row exactly.
    """
    file = recording.file
    repeats: defaultdict[str, _Repeats] = defaultdict(_Repeats)
    outside, first_outside = 0, ""
    for row in recording.rows():
        repeats[row.sensor or sensor].add(row)
        for description in saturated(row.values, recording.colours_are_counts):
            outside += 1
            first_outside = first_outside or f"line {row.line}, {description}"
    if not repeats:
        raise UserError(f"{file}: the recording has no rows")
    if outside:
        log.warning(
            "%s: %d values are outside the range of the chips and saturate, the first in %s",
            file,
            outside,
            first_outside,
        )
    repeating = frozenset[int]().union(*(seen.identical(file, name) for name, seen in repeats.items()))
    if repeating:
        log.warning("%s: %d rows repeat an earlier row exactly and are left out", file, len(repeating))
    oldest, newest = (end(end(seen.times) for seen in repeats.values()) for end in (min, max))
    return Checked((oldest, newest), repeating)


class _Repeats:
    """Finds rows of one sensor that have the same time."""

    def __init__(self) -> None:
        self.times, self._digests, self._lines = array("q"), array("Q"), array("q")
        self._ascending = True

    def add(self, row: Row) -> None:
        """Add a row."""
        self._ascending = self._ascending and (not self.times or row.time_ms > self.times[-1])
        content = repr((row.host, sorted(row.values.items()))).encode()
        self.times.append(row.time_ms)
        self._digests.append(int.from_bytes(blake2b(content, digest_size=8).digest(), "little"))
        self._lines.append(row.line)

    def identical(self, file: Path, sensor: str) -> set[int]:
        """Lines that are the same as an earlier line. Raises UserError for one with other values at the same time."""
        if self._ascending:
            return set()
        same: set[int] = set()
        order = sorted(range(len(self.times)), key=self.times.__getitem__)  # stable: earlier lines first
        first = order[0]
        for index in order[1:]:
            if self.times[index] != self.times[first]:
                first = index
            elif self._digests[index] == self._digests[first]:
                same.add(self._lines[index])
            else:
                raise UserError(
                    f"{file}, line {self._lines[index]}: {sensor} has other values at the same time "
                    f"({self.times[index]} ms) in line {self._lines[first]}"
                )
        return same
