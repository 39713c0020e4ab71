"""Rows of JSON lines: one reading on a line, as it is sent to Kafka."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from sensorpi.common.reading import FIELD_NAME, FIELDS, MOST_FIELDS, NAME, NAME_RULE, RESERVED_FIELDS
from sensorpi.sensor.recordings.lines import Lines
from sensorpi.sensor.recordings.rows import Row, wrong
from sensorpi.sensor.recordings.times import TIMES_MS

#: Keys that are not values, or that the reading gets anew.
_NOT_VALUES = frozenset(("sensor", "host", "boot", "sequence", "timestamp", *RESERVED_FIELDS))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    message = dict(pairs)
    if len(message) < len(pairs):
        raise ValueError("a key is there twice")
    return message


class JsonRows:
    """Iterates over the rows. Numbers with other names than the board's fields are kept, as the job stores them."""

    def __init__(self, file: Path) -> None:
        self._file = file
        #: Names of what is not a number, and cannot be stored.
        self.unused: dict[str, None] = {}

    def __iter__(self) -> Iterator[Row]:
        for line, content in enumerate(Lines(self._file, has_mapping=False), start=1):
            if content.strip():
                yield self._row(line, content)

    def _row(self, line: int, content: str) -> Row:
        try:
            message: Any = json.loads(content, parse_constant=_no_constant, object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError):
            wrong(self._file, line, "the line", content.strip(), "a JSON object")
        if not isinstance(message, dict):
            wrong(self._file, line, "the line", content.strip(), "a JSON object")
        if len(message) > MOST_FIELDS:
            wrong(self._file, line, "the line", content.strip(), f"a reading with at most {MOST_FIELDS} keys")
        time_ms: Any = message.get("timestamp")
        whole = isinstance(time_ms, int) and not isinstance(time_ms, bool)
        if not whole or not TIMES_MS[0] <= time_ms <= TIMES_MS[1]:
            wrong(self._file, line, "timestamp", time_ms, "a whole number of milliseconds since 1970")
        values = {}
        for field, value in message.items():
            if field in _NOT_VALUES or value is None:
                continue
            if field in FIELDS or (_is_number(value) and FIELD_NAME.fullmatch(field)):
                values[field] = self._number(line, field, value)
            else:
                self.unused[field] = None
        sensor, host = (self._name(line, message, label) for label in ("sensor", "host"))
        return Row(line, time_ms, sensor, host, values, time_ms)

    def _number(self, line: int, field: str, value: Any) -> float:
        try:
            number = float(value) if _is_number(value) else math.nan
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            wrong(self._file, line, field, json.dumps(value), "a finite number")
        return number

    def _name(self, line: int, message: dict[str, Any], label: str) -> str | None:
        value = message.get(label)
        if value is not None and not (isinstance(value, str) and NAME.fullmatch(value)):
            wrong(self._file, line, label, json.dumps(value), f"a name of {NAME_RULE}")
        return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
