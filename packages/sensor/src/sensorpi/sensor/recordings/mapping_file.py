"""The keys of a mapping's TOML file, and their checks. Every mistake is a ValueError that names the key."""

import codecs
import re
import sys
from collections.abc import Mapping as AnyMapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from sensorpi.common.daemon.time_zones import read_zone
from sensorpi.common.reading import FIELD_NAME, FIELDS, MOST_FIELDS, NAME, NAME_RULE, RESERVED_FIELDS
from sensorpi.sensor.recordings.mapping import Column, ColumnId, Dialect, Mapping, Name, Times
from sensorpi.sensor.recordings.times import ISO8601, check_format, has_date, time_reader
from sensorpi.sensor.recordings.units import unit_named

#: Keys of a message besides its fields.
_NOT_FIELDS = ("sensor", "host", "boot", "sequence", "timestamp")
_MOST_EXTRA = MOST_FIELDS - len(FIELDS) - len(_NOT_FIELDS) - 1  # temperature_raw


def mapping_of(table: dict[str, Any]) -> Mapping:
    """The mapping that a TOML file describes."""
    _known(table, "", ("csv", "time", "fields", "extra", "colours", "sensor", "host"))
    dialect = _dialect(_table(table, "csv", {}))
    fields = _fields(_table(table, "fields", {}), "fields")
    extra = _fields(_table(table, "extra", {}), "extra")
    colours = table.get("colours", "0-255")
    if colours not in ("0-255", "counts"):
        raise ValueError(f'colours: {colours!r} is not "0-255" or "counts"')
    if colours == "counts" and "lightv" not in fields:
        raise ValueError("colours: counts are useful only with the clear count; map lightv as well")
    if not fields and not extra:
        raise ValueError("fields: at least one field is needed")
    mapping = Mapping(
        times=_times(_table(table, "time"), dialect),
        fields=fields,
        extra=extra,
        dialect=dialect,
        colours_are_counts=colours == "counts",
        sensor=_name(table.get("sensor"), "sensor"),
        host=_name(table.get("host"), "host"),
    )
    if not dialect.header:
        _check_numbered(mapping)
    return mapping


def _check_numbered(mapping: Mapping) -> None:
    names = [name.column for name in (mapping.sensor, mapping.host) if name is not None and name.column is not None]
    columns = [column.id for column in (*mapping.fields.values(), *mapping.extra.values())]
    for column in (*mapping.times.columns, *columns, *names, *mapping.dialect.cells):
        if isinstance(column, str):
            raise ValueError(f"column {column!r} has a name, but with csv.header = false columns have numbers, from 1")


def _known(table: AnyMapping[str, Any], where: str, keys: tuple[str, ...]) -> None:
    for key in table:
        if key not in keys:
            raise ValueError(f"{where}{key}: this key does not exist; possible are {', '.join(keys)}")


def _table(table: AnyMapping[str, Any], key: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
    found = table.get(key, default)
    if found is None:
        raise ValueError(f"{key}: this table is required")
    if not isinstance(found, dict):
        raise ValueError(f"{key}: {found!r} is not a table")
    return found


def _number(table: AnyMapping[str, Any], key: str, where: str, default: float) -> float:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise ValueError(f"{where}.{key}: {value!r} is not a finite number")
    return float(value)


def _bool(table: AnyMapping[str, Any], key: str, where: str, default: bool) -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise ValueError(f"{where}.{key}: {value!r} is not true or false")
    return value


def _dialect(csv: dict[str, Any]) -> Dialect:
    keys = ("delimiter", "decimal", "encoding", "header", "skip_lines", "cells", "missing", "skip_damaged")
    _known(csv, "csv.", keys)
    delimiter, decimal, encoding = csv.get("delimiter", ","), csv.get("decimal", "."), csv.get("encoding")
    if not (isinstance(delimiter, str) and len(delimiter) == 1 and delimiter not in '\r\n"'):
        raise ValueError(f'csv.delimiter: {delimiter!r} is not one character such as ";" or "\\t"')
    if decimal not in (".", ","):
        raise ValueError(f'csv.decimal: {decimal!r} is not "." or ","')
    if encoding is not None:
        _check_encoding(encoding)
    skip_lines = csv.get("skip_lines", 0)
    if not (type(skip_lines) is int and skip_lines >= 0):
        raise ValueError(f"csv.skip_lines: {skip_lines!r} is not a number of lines")
    missing = csv.get("missing", [])
    if not (isinstance(missing, list) and all(isinstance(word, str) for word in missing)):
        raise ValueError('csv.missing: a list of words is expected, such as ["None", "n/a"]')
    cells = _table(csv, "cells", {})
    for column, count in cells.items():
        if not (type(count) is int and count > 0):
            raise ValueError(f"csv.cells.{column}: {count!r} is not a number of cells")
    header = _bool(csv, "header", "csv", True)
    return Dialect(
        delimiter,
        decimal,
        encoding,
        header,
        skip_lines,
        {int(column) if column.isdecimal() and not header else column: count for column, count in cells.items()},
        frozenset(word.strip().lower() for word in ("", "null", *missing)),
        _bool(csv, "skip_damaged", "csv", False),
    )


def _check_encoding(encoding: object) -> None:
    try:
        if not isinstance(encoding, str):
            raise LookupError
        codecs.lookup(encoding)
        "".encode(encoding)  # refuses codecs that are not of text, such as base64
    except (LookupError, ValueError):
        raise ValueError(f"csv.encoding: {encoding!r} is not an encoding such as latin-1 or utf-16-le") from None


def _times(time: dict[str, Any], dialect: Dialect) -> Times:
    _known(time, "time.", ("column", "format", "zone", "spread", "date", "interval_s", "start"))
    zone = _zone(time.get("zone"))
    if ("column" in time) == ("interval_s" in time):
        raise ValueError("time: either column, or interval_s for rows without a time, is required")
    if "column" not in time:
        interval_s = _number(time, "interval_s", "time", 0)
        if interval_s <= 0:
            raise ValueError(f"time.interval_s: {interval_s!r} is not a number above 0")
        start = str(time["start"]) if "start" in time else None
        try:
            start_ms = None if start is None else time_reader("iso8601", zone)(start).ms
        except ValueError:
            raise ValueError(f"time.start: {start!r} is not a time as iso8601") from None
        if "date" in time:
            raise ValueError("time.date: rows without a time have time.start instead")
        return Times(interval_ms=interval_s * 1000, start_ms=start_ms)
    column = time["column"]
    columns = column if isinstance(column, list) else [column]
    if not columns:
        raise ValueError("time.column: at least one column is needed")
    time_format = time.get("format")
    if not isinstance(time_format, str):
        raise ValueError("time.format: a strptime pattern, iso8601, s or ms is required")
    try:
        check_format(time_format)
    except ValueError as error:
        raise ValueError(f"time.format: {error}") from None
    is_clock = "date" in time or not has_date(time_format)
    if "date" in time and has_date(time_format) and time_format != ISO8601:
        raise ValueError(f"time.date: the times have a date already, as {time_format}")
    return Times(
        tuple(_column_id(each, "time.column") for each in columns),
        time_format,
        zone,
        _bool(time, "spread", "time", False),
        is_clock,
        _date(time.get("date")),
    )


def _date(value: object) -> date | None:
    try:
        return None if value is None else date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"time.date: {str(value)!r} is not a date such as 2026-01-31") from None


def _zone(name: object) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return read_zone(name if isinstance(name, str) else "")
    except ValueError:
        raise ValueError(f"time.zone: {name!r} is not a time zone such as Europe/Berlin") from None


def _column_id(value: object, where: str) -> ColumnId:
    if isinstance(value, str):
        return value.strip()
    if type(value) is int and value >= 1:
        return value
    raise ValueError(f"{where}: {value!r} is not a column's name, or its number from 1")


def _fields(table: dict[str, Any], where: str) -> dict[str, Column]:
    for name in table:
        if where == "fields" and name not in FIELDS:
            raise ValueError(
                f"fields.{name}: this is not a field of the board ({', '.join(FIELDS)}); "
                f"to add it to the readings, name it below [extra]"
            )
        if where == "extra" and (not FIELD_NAME.fullmatch(name) or name in (*FIELDS, *RESERVED_FIELDS, *_NOT_FIELDS)):
            raise ValueError(f"extra.{name}: not a name for a further field: letters, digits and _ that is not in use")
    if len(table) > _MOST_EXTRA:
        raise ValueError(f"{where}: a message can have {_MOST_EXTRA} fields that are not the board's")
    return {name: _column(value, f"{where}.{name}", name) for name, value in table.items()}


def _column(value: object, where: str, field: str) -> Column:
    if not isinstance(value, dict):
        return Column(_column_id(value, where))
    _known(value, f"{where}.", ("column", "factor", "offset", "unit", "pattern"))
    column = _column_id(value.get("column"), f"{where}.column")
    factor, offset = _number(value, "factor", where, 1), _number(value, "offset", where, 0)
    if "unit" in value:
        if "factor" in value or "offset" in value:
            raise ValueError(f"{where}: unit says factor and offset: give either")
        try:
            _, factor, offset = unit_named(str(value["unit"]), field)
        except ValueError as error:
            raise ValueError(f"{where}.unit: {error}") from None
    return Column(column, factor, offset, _pattern(value.get("pattern"), f"{where}.pattern"))


def _pattern(text: object, where: str) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        pattern = re.compile(text if isinstance(text, str) else "")
    except re.error as error:
        raise ValueError(f"{where}: {text!r} is not a regular expression: {error}") from None
    if pattern.groups != 1:
        raise ValueError(f"{where}: {text!r} does not have exactly one group, such as '^([0-9.]+)'")
    return pattern


def _name(value: object, where: str) -> Name | None:
    if value is None:
        return None
    if isinstance(value, dict):
        _known(value, f"{where}.", ("column",))
        return Name(column=_column_id(value.get("column"), f"{where}.column"))
    if not (isinstance(value, str) and NAME.fullmatch(value)):
        raise ValueError(f"{where}: {value!r} is not a name of {NAME_RULE}")
    return Name(constant=value)
