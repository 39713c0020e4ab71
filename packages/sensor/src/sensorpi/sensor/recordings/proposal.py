"""Proposes a mapping for a CSV file: from its first lines, the names of its columns and their values."""

import json
from dataclasses import replace
from pathlib import Path

from sensorpi.common.errors import UserError
from sensorpi.sensor.recordings.guess_columns import Found, find_fields, find_missing, find_spans
from sensorpi.sensor.recordings.guess_dialect import Sample, sample_of
from sensorpi.sensor.recordings.guess_times import FoundTime, find_time
from sensorpi.sensor.recordings.mapping import parse_mapping, shipped_mappings
from sensorpi.sensor.recordings.rows import CsvRows


def propose(file: Path) -> str:
    """The TOML text of a mapping for a CSV file. Raises UserError if nothing in it looks like a reading."""
    if file.exists() and not file.is_file():
        raise UserError(f"{file}: a recording must be a regular file")
    if (name := _shipped_for(file)) is not None:
        return f"# The shipped mapping {name} describes this file: --map {name}\n\n{shipped_mappings()[name]}"
    sample = sample_of(file)
    several = find_spans(sample)
    if several is None:
        raise UserError(
            f"{file}: its rows have {len(sample.rows[0])} cells, but its header {len(sample.names)} names; "
            "csv.cells in a mapping can say how many cells a column has (docs/sensor.md)"
        )
    spans, decimal = several
    sample = replace(sample, decimal=decimal)
    columns = _columns(sample, spans)
    time = find_time(sample.names, columns, sample.decimal)
    used = set() if time is None else set(time.places)
    found = find_fields(sample, columns, spans, used)
    if not found.fields and not found.extra:
        raise UserError(f"{file}: no column looks like a reading; docs/sensor.md describes how to write a mapping")
    missing = find_missing([columns[place] for place in found.places], sample.decimal)
    return "\n".join(_toml(file, sample, spans, time, found, missing))


def _shipped_for(file: Path) -> str | None:
    """The first shipped mapping with a header whose columns the file has, and whose rows can be read."""
    for name, text in sorted(shipped_mappings().items()):
        mapping = parse_mapping(text, name)
        if not mapping.dialect.header:
            continue
        try:
            next(iter(CsvRows(file, mapping)), None)
        except UserError:
            continue
        return name
    return None


def _columns(sample: Sample, spans: dict[int, int]) -> list[list[str]]:
    """The cells of each column; those of one column are joined."""
    columns: list[list[str]] = [[] for _ in sample.names]
    for row in sample.rows:
        place = 0
        for index, column in enumerate(columns):
            width = spans.get(index, 1)
            column.append(sample.delimiter.join(row[place : place + width]).strip())
            place += width
    return columns


def _toml(
    file: Path,
    sample: Sample,
    spans: dict[int, int],
    time: FoundTime | None,
    found: Found,
    missing: list[str],
) -> list[str]:
    def column(place: int) -> str:
        return quoted(sample.names[place]) if sample.has_header else str(place + 1)

    lines = [
        f"# A mapping for {json.dumps(file.name)}, proposed from its first lines: check it, and change what is wrong."
    ]
    lines += [] if sample.has_header else ["# Its columns do not have names: they are guessed from the values alone."]
    lines += ['colours = "counts"'] if found.colours_are_counts else []
    dialect = {
        "delimiter": quoted(sample.delimiter) if sample.delimiter != "," else "",
        "decimal": '","' if sample.decimal == "," else "",
        "encoding": quoted(sample.encoding) if sample.encoding else "",
        "header": "" if sample.has_header else "false",
        "skip_lines": str(sample.skip_lines) if sample.skip_lines else "",
        "missing": f"[{', '.join(map(quoted, missing))}]" if missing else "",
        "cells": "{ " + ", ".join(f"{column(place)} = {count}" for place, count in spans.items()) + " }"
        if spans
        else "",
        "skip_damaged": "true" if sample.has_damage else "",
    }
    if any(dialect.values()):
        lines += ["", "[csv]", *(f"{key} = {value}" for key, value in dialect.items() if value)]
    lines += ["", "[time]"]
    if time is None:
        lines += ["interval_s = 1  # no column has times: how far apart are the rows?"]
        lines += ["# start = 2026-01-31T12:00:00  # the time of the first row"]
    else:
        names = [column(place) for place in time.places]
        lines += [f"column = {names[0] if len(names) == 1 else '[' + ', '.join(names) + ']'}"]
        lines += [f"format = {quoted(time.format)}{'  # ' + time.remark if time.remark else ''}"]
        if time.is_clock:
            lines += ["# date = 2026-01-31  # the day of the first row, because the times have no date"]
        if time.zone is not None:
            lines += [f"zone = {quoted(time.zone)}  # guessed from the name in the times"]
        elif not time.has_zone:
            lines += ['# zone = "Europe/Berlin"  # if these are local times; otherwise they are UTC']
        lines += ["spread = true  # several rows have the same time"] if time.is_coarse else []
    for title, fields in (("fields", found.fields), ("extra", found.extra)):
        lines += ["", f"[{title}]"] if fields else []
        for name, (place, options) in fields.items():
            keys = {"column": column(place), **options}
            inline = "{ " + ", ".join(f"{key} = {value}" for key, value in keys.items()) + " }"
            lines.append(f"{name} = {inline if options else column(place)}")
    return [*lines, ""]


def quoted(text: str) -> str:
    """A text as a TOML string: that of JSON, except for one character that TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
