"""A recording's rows: CSV with a column mapping, or JSON lines of readings. They are checked while they are read.

Every mistake is a UserError with file, line, column, value, and what was expected.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from sensorpi.common.errors import UserError
from sensorpi.common.reading import NAME, NAME_RULE
from sensorpi.sensor.recordings.clock_times import ClockTimes, OrderError
from sensorpi.sensor.recordings.csv_cells import CsvCells
from sensorpi.sensor.recordings.mapping import Column, ColumnId, Mapping, Name
from sensorpi.sensor.recordings.numbers import HintError, number_in
from sensorpi.sensor.recordings.times import Time, TimeReader, time_reader


@dataclass(frozen=True, slots=True)
class Row:
    """A recorded reading: values in their field's unit, without the missing ones.

    ``line`` counts from 1. ``sensor`` and ``host`` are None if the recording does not name them. ``later_ms`` differs
    from ``time_ms`` in the hour that a clock repeats: the time is either of the two.
    """

    line: int
    time_ms: int
    sensor: str | None
    host: str | None
    values: dict[str, float]
    later_ms: int


def wrong(file: Path, line: int, what: str, value: object, expected: str) -> NoReturn:
    """Raise the UserError for a wrong value."""
    shown = str(value)
    raise UserError(f"{file}, line {line}, {what}: {shown[:60]!r} is not {expected}")


class CsvRows:
    """Iterates over the rows of a CSV file, and counts what it passes over."""

    def __init__(self, file: Path, mapping: Mapping) -> None:
        """Raises UserError if the file does not have the mapping's columns."""
        self._file, self._mapping = file, mapping
        self.cells = CsvCells(file, mapping.dialect)
        self._used: set[int] = set()
        times = mapping.times
        self._time_places = [self._place(column) for column in times.columns]
        self._read_time: TimeReader = (
            ClockTimes(times.format, times.first_day, times.zone)
            if times.is_clock
            else time_reader(times.format, times.zone, mapping.dialect.decimal)
        )
        columns = {**mapping.fields, **mapping.extra}
        self._fields = [(field, self._place(column.id), column) for field, column in columns.items()]
        self._sensor, self._host = self._name(mapping.sensor, "sensor id"), self._name(mapping.host, "host name")
        #: Columns that the mapping does not use, and of those the ones with a number in the first row.
        self.unused = [(place, name) for place, name in enumerate(self.cells.columns) if place not in self._used]
        self.unused_numeric: list[str] = []

    def __iter__(self) -> Iterator[Row]:
        number = 0
        for line, cells in self.cells:
            if number == 0:
                self.unused_numeric = [name for place, name in self.unused if _is_number(cells[place])]
            try:
                row = self._row(line, cells, number)
            except UserError:
                if not self.cells.skip(line):
                    raise
                continue
            number += 1
            yield row

    def _place(self, column: ColumnId) -> int:
        place = self.cells.index_of(column)
        self._used.add(place)
        return place

    def _row(self, line: int, cells: list[str], number: int) -> Row:
        time = self._time(line, cells, number)
        values = {}
        for field, place, column in self._fields:
            value = self._value(line, cells[place].strip(), column)
            if value is not None:
                values[field] = value
        return Row(line, time.ms, self._sensor(cells, line), self._host(cells, line), values, time.later_ms)

    def _time(self, line: int, cells: list[str], number: int) -> Time:
        times = self._mapping.times
        if times.interval_ms is not None:
            ms = (times.start_ms or 0) + round(number * times.interval_ms)
            return Time(ms, ms)
        cell = " ".join(cells[place].strip() for place in self._time_places)
        try:
            return self._read_time(cell)
        except (ValueError, OverflowError) as error:
            names = [str(column) for column in times.columns]
            if isinstance(error, OrderError):
                where = f"{self._file}, line {line}, column {' and '.join(names)}"
                raise UserError(f"{where}: {cell!r}: {error}") from None
            hint = "; this is another header" if cell == " ".join(names) else _hint(error)
            wrong(self._file, line, f"column {' and '.join(names)}", cell, f"a time as {times.format}{hint}")

    def _value(self, line: int, cell: str, column: Column) -> float | None:
        dialect = self._mapping.dialect
        if cell.lower() in dialect.missing:
            return None
        where = f"column {column.id}"
        number = cell
        if column.pattern is not None:
            found = column.pattern.search(cell)
            if found is None:
                wrong(self._file, line, where, cell, f"text with the pattern {column.pattern.pattern}")
            number = (found[1] or "").strip()
            if number.lower() in dialect.missing:
                return None
        try:
            value = number_in(number, dialect.decimal) * column.factor + column.offset
            if not math.isfinite(value):
                raise ValueError(value)
        except ValueError as error:
            is_word = number and not any(map(str.isdecimal, number))
            hint = "; if it means a missing value, add it to csv.missing" if is_word else _hint(error)
            wrong(self._file, line, where, cell, f"a finite number{hint}")
        return value

    def _name(self, name: Name | None, label: str) -> Callable[[list[str], int], str | None]:
        if name is None or name.column is None:
            return lambda _cells, _line: name.constant if name is not None else None
        place = self._place(name.column)

        def of(cells: list[str], line: int) -> str:
            cell = cells[place].strip()
            if not NAME.fullmatch(cell):
                wrong(self._file, line, f"column {name.column}", cell, f"a {label} of {NAME_RULE}")
            return cell

        return of


def _hint(error: Exception) -> str:
    return f"; {error}" if isinstance(error, HintError) else ""


def _is_number(cell: str) -> bool:
    try:
        number_in(cell.strip())
    except ValueError:
        return False
    return True
