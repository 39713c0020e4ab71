"""A recording's rows: CSV with a column mapping, or JSON lines of readings. They are checked while they are read.

Every mistake is a UserError with file, line, column, value, and what was expected.
"""

import csv
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

from sensorpi.common.errors import UserError
from sensorpi.common.reading import FIELDS
from sensorpi.sensor.recordings.mapping import TIMES_MS, Mapping, Name

#: A missing value, as well as an empty cell.
NULL = "null"
_NAME = re.compile(r'[^\x00-\x1f\x7f"\\]{1,128}')


@dataclass(frozen=True, slots=True)
class Row:
    """A recorded reading: values in their field's unit, without the missing ones.

    ``line`` counts from 1. ``sensor`` and ``host`` are None if the recording does not name them.
    """

    line: int
    time_ms: int
    sensor: str | None
    host: str | None
    values: dict[str, float]


def _wrong(file: Path, line: int, what: str, value: object, expected: str) -> NoReturn:
    shown = str(value)
    raise UserError(f"{file}, line {line}, {what}: {shown[:60]!r} is not {expected}")


def csv_rows(file: Path, text: TextIO, mapping: Mapping) -> Iterator[Row]:
    """Rows of a CSV file whose first line names its columns."""
    reader = csv.reader(text, strict=True)
    try:
        header = next((cells for cells in reader if any(cells)), None)
        if header is None:
            raise UserError(f"{file}: the file is empty; a line of column names was expected")
        header_line = reader.line_num
        columns = [cell.strip() for cell in header]

        def index_of(name: str) -> int:
            if name not in columns:
                raise UserError(f"{file}, line {header_line}: there is no column {name!r} among {', '.join(columns)}")
            return columns.index(name)

        def name_of(name: Name | None, label: str) -> Callable[[list[str], int], str | None]:
            if name is None or name.column is None:
                return lambda _cells, _line: name.constant if name is not None else None
            index = index_of(name.column)

            def of(cells: list[str], line: int) -> str:
                if not _NAME.fullmatch(cells[index].strip()):
                    _wrong(file, line, f"column {name.column}", cells[index], f"a {label} of 1 to 128 characters")
                return cells[index].strip()

            return of

        time_index, read_time = index_of(mapping.time_column), mapping.time_reader()
        fields = [(field, index_of(column.name), column) for field, column in mapping.fields.items()]
        sensor_of, host_of = name_of(mapping.sensor, "sensor id"), name_of(mapping.host, "host name")
        line = reader.line_num + 1
        for cells in reader:
            this, line = line, reader.line_num + 1  # a quoted cell may span lines: name the first
            if not any(cells):
                continue
            if len(cells) < len(columns):
                _wrong(file, this, "the row", ",".join(cells), f"complete: it has {len(cells)} of {len(columns)} cells")
            cell = cells[time_index].strip()
            try:
                time_ms = read_time(cell)
            except (ValueError, OverflowError):
                _wrong(file, this, f"column {mapping.time_column}", cell, f"a time as {mapping.time_format}")
            values = {}
            for field, index, column in fields:
                cell = cells[index].strip()
                if cell and cell.lower() != NULL:
                    try:
                        number = float(cell) if "_" not in cell else math.nan
                    except ValueError:
                        number = math.nan
                    number = number * column.factor + column.offset
                    if not math.isfinite(number):
                        _wrong(file, this, f"column {column.name}", cell, "a finite number")
                    values[field] = number
            yield Row(this, time_ms, sensor_of(cells, this), host_of(cells, this), values)
    except csv.Error as error:
        raise UserError(f"{file}, line {reader.line_num}: not CSV: {error}") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def json_rows(file: Path, text: TextIO) -> Iterator[Row]:
    """Rows of a file with one reading per line, as it is sent to Kafka."""
    for line, content in enumerate(text, start=1):
        if not content.strip():
            continue
        try:
            message: Any = json.loads(content, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            _wrong(file, line, "the line", content.strip(), "a JSON object")
        if not isinstance(message, dict):
            _wrong(file, line, "the line", content.strip(), "a JSON object")
        time_ms: Any = message.get("timestamp")
        whole = isinstance(time_ms, int) and not isinstance(time_ms, bool)
        if not whole or not TIMES_MS[0] <= time_ms <= TIMES_MS[1]:
            _wrong(file, line, "timestamp", time_ms, "a whole number of milliseconds since 1970")
        values = {}
        for field in FIELDS:
            value = message.get(field)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
                _wrong(file, line, field, json.dumps(value), "a finite number")
            values[field] = float(value)
        names = {}
        for label in ("sensor", "host"):
            value = names[label] = message.get(label)
            if value is not None and not (isinstance(value, str) and _NAME.fullmatch(value)):
                _wrong(file, line, label, json.dumps(value), "a name of 1 to 128 characters")
        yield Row(line, time_ms, names["sensor"], names["host"], values)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False
