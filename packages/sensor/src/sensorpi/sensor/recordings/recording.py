"""Recordings: opened with their mapping, and checked completely before they are used."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from sensorpi.common.errors import UserError
from sensorpi.common.reading import DEFAULT_SENSOR, LONGEST_LEAD_MS, OLDEST_TIMESTAMP_MS, longest_lag_ms
from sensorpi.sensor.recordings.conditions import saturated
from sensorpi.sensor.recordings.json_rows import JsonRows
from sensorpi.sensor.recordings.mapping import Mapping, load_mapping
from sensorpi.sensor.recordings.rows import CsvRows
from sensorpi.sensor.recordings.table import Table, show_time

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording:
    """A file, and the mapping of its columns (None: JSON lines of readings)."""

    file: Path
    mapping: Mapping | None

    @property
    def colours_are_counts(self) -> bool:
        """Whether red, green and blue are raw counts."""
        return self.mapping is not None and self.mapping.colours_are_counts

    def rows(self) -> CsvRows | JsonRows:
        """All rows, in the file's order. Raises UserError with file, line, column, value, and what was expected."""
        return JsonRows(self.file) if self.mapping is None else CsvRows(self.file, self.mapping)


def open_recording(file: Path, map_name: str | None) -> Recording:
    """A recording with its mapping: a shipped one, a TOML file, or ``readings`` for JSON lines.

    Raises UserError.
    """
    if map_name == "readings" or (map_name is None and file.suffix in (".jsonl", ".ndjson")):
        mapping = None
    elif map_name is None:
        raise UserError(
            f"{file}: --map must tell what its columns are: a shipped mapping such as astro-pi, a TOML file "
            "(`sensorpi recording check FILE` proposes one), or readings for JSON lines"
        )
    else:
        mapping = load_mapping(map_name)
    if file.exists() and not file.is_file():
        raise UserError(f"{file}: a recording must be a regular file")
    return Recording(file, mapping)


def check_recording(file: Path, map_name: str | None, original: bool = True) -> tuple[int, int, int]:
    """The oldest and newest time of a recording in ms UTC, and how many rows are played.

    ``original``: the recorded times are kept. Raises UserError for a mistake in it.
    """
    table = load(open_recording(file, map_name), DEFAULT_SENSOR, "", original)
    return table.times_ms[table.order[0]], table.times_ms[table.order[-1]], len(table.order)


def load(
    recording: Recording,
    sensor: str,
    host: str,
    original: bool,
    rows: CsvRows | JsonRows | None = None,
    raw_retention_days: int = 0,
) -> Table:
    """Read and check all rows; ``sensor`` and ``host`` are for those that do not name them.

    ``rows`` are those of the recording, for a caller that wants to know more about them. ``raw_retention_days`` is how
    long the database keeps readings (0: for ever).

    Raises UserError for the first mistake. Logs one line for each kind of row or column that is not played as it is.
    """
    file, mapping = recording.file, recording.mapping
    rows = rows or recording.rows()
    table = Table(file, rows, sensor, host)
    if not table.lines:
        raise UserError(f"{file}: the recording has no rows")
    _report_unused(file, rows)
    empty = {index for index in table.order if not table.values(index)}
    if len(empty) == len(table.order):
        raise UserError(f"{file}: no row has a value")
    if empty:
        _left_out(file, f"{len(empty)} rows have no values", [table.lines[index] for index in empty])
        table.leave_out(empty)
    if mapping is not None and mapping.times.spread:
        table.spread()
    else:
        _check_same_times(recording, table, original)
    _report_order(recording, table)
    _check_ranges(recording, table)
    if original:
        _check_times(recording, table, raw_retention_days)
    return table


def _left_out(file: Path, what: str, lines: list[int]) -> None:
    log.warning("%s: %s and are left out, the first in line %d", file, what, min(lines))


def _report_unused(file: Path, rows: CsvRows | JsonRows) -> None:
    if isinstance(rows, JsonRows):
        if rows.unused:
            log.warning("%s: not used, because they are not numbers: %s", file, ", ".join(rows.unused)[:200])
        return
    if rows.unused_numeric:
        log.warning("%s: columns that are not used: %s", file, ", ".join(rows.unused_numeric))
    if rows.cells.damaged:
        _left_out(file, f"{len(rows.cells.damaged)} lines are damaged", rows.cells.damaged)


def _report_order(recording: Recording, table: Table) -> None:
    if not table.out_of_order:
        return
    mapping = recording.mapping
    local = mapping is not None and mapping.times.zone is None
    log.warning(
        "%s: %d rows are not in the order of time, the first in line %d; they are put in order%s",
        recording.file, len(table.out_of_order), min(table.lines[index] for index in table.out_of_order),
        "; if these are local times and the clock was put back, give time.zone" if local else "",
    )  # fmt: skip


def _check_same_times(recording: Recording, table: Table, original: bool) -> None:
    """Leave out repeated rows. Others can share their time only if they get a new one."""
    file = recording.file
    repeated = set()
    for index, first, is_repeated in table.same():
        if is_repeated:
            repeated.add(index)
        elif original:
            later, earlier = max(index, first), min(index, first)
            raise UserError(
                f"{file}, line {table.lines[later]}: {table.name(index)[0]} has other values at the same time "
                f"({table.times_ms[index]} ms, {table.when(index)}) in line {table.lines[earlier]}"
                f"{_same_hint(recording)}"
            )
    if repeated:
        log.warning("%s: %d rows repeat an earlier row exactly and are left out", file, len(repeated))
        table.leave_out(repeated)


def _same_hint(recording: Recording) -> str:
    now = "use --timestamps now"
    if recording.mapping is None:
        return f"; to play both, {now}"
    hint = f"; if the times are coarse, spread them with time.spread = true in the mapping, or {now}"
    if recording.mapping.times.zone is None:
        hint += "; if they are local times and the clock was put back, give time.zone"
    return hint


def _check_ranges(recording: Recording, table: Table) -> None:
    outside, first_outside = 0, ""
    counts: dict[str, int] = {}
    firsts: dict[str, str] = {}
    for index in table.order:
        values = table.values(index)
        for field, description in saturated(values, recording.colours_are_counts).items():
            outside += 1
            counts[field] = counts.get(field, 0) + 1
            firsts.setdefault(field, f"line {table.lines[index]}, {description}")
            first_outside = first_outside or firsts[field]
    for field, count in counts.items():
        if field in ("temperature", "pressure") and count == table.count(field):
            raise UserError(
                f"{recording.file}: no {field} is in the range of the chip, the first in {firsts[field]}: "
                "is it the right column, and is its unit given?"
            )
    if outside:
        log.warning(
            "%s: %d values are outside the range of the chips and saturate, the first in %s",
            recording.file, outside, first_outside,
        )  # fmt: skip


def _check_times(recording: Recording, table: Table, raw_retention_days: int) -> None:
    """The job accepts no other times: they would become dead letters."""
    times = None if recording.mapping is None else recording.mapping.times
    if times is not None and times.interval_ms is not None and times.start_ms is None:
        raise UserError(f"{recording.file}: it has no times; give time.start in the mapping, or use --timestamps now")
    if times is not None and times.is_clock and times.first_day is None:
        raise UserError(
            f"{recording.file}: its times have no date; give time.date in the mapping, the day of the first row (or if "
            'the date is in a column of its own, both: column = ["date", "time"]), or use --timestamps now'
        )
    oldest, newest = table.order[0], table.order[-1]
    if table.times_ms[oldest] < OLDEST_TIMESTAMP_MS:
        index, problem = oldest, "before the year 2000: is the format right, and was the logger's clock set?"
    elif table.times_ms[newest] > time.time() * 1000 + LONGEST_LEAD_MS:
        index, problem = newest, "in the future: is the format right, and was the logger's clock set?"
    elif table.times_ms[oldest] < time.time() * 1000 - longest_lag_ms(raw_retention_days):
        index = oldest
        problem = f"older than the {raw_retention_days} days of influxdb.raw_retention_days in cluster.toml."
    else:
        return
    raise UserError(
        f"{recording.file}, line {table.lines[index]}: the time {show_time(table.times_ms[index])} is {problem} "
        "To play it with new times, use --timestamps now"
    )
