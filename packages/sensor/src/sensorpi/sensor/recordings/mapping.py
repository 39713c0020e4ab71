"""Column mappings: TOML files that say how a recording is written, and which column has which field."""

import tomllib
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import files
from pathlib import Path
from re import Pattern
from zoneinfo import ZoneInfo

from sensorpi.common.errors import UserError

#: A column by its name, or by its number from 1.
ColumnId = str | int


@dataclass(frozen=True)
class Dialect:
    """How the CSV is written. ``cells`` has the columns whose values spread over several cells, and how many."""

    delimiter: str = ","
    decimal: str = "."
    encoding: str | None = None  # None: UTF-8, or UTF-16 with its byte order mark
    header: bool = True
    skip_lines: int = 0
    cells: dict[ColumnId, int] = field(default_factory=dict)
    missing: frozenset[str] = frozenset(("", "null"))  # in lower case
    skip_damaged: bool = False


@dataclass(frozen=True)
class Times:
    """The time of a row: in columns that are joined by a space, or after a start with a fixed interval.

    ``is_clock``: the columns have no date; ``first_day`` is that of the first row, if it is known.
    """

    columns: tuple[ColumnId, ...] = ()
    format: str = "iso8601"
    zone: ZoneInfo | None = None
    spread: bool = False
    is_clock: bool = False
    first_day: date | None = None
    interval_ms: float | None = None
    start_ms: int | None = None


@dataclass(frozen=True)
class Name:
    """A sensor or host: a constant, or in a column."""

    constant: str | None = None
    column: ColumnId | None = None


@dataclass(frozen=True)
class Column:
    """A field's column. The value is number · factor + offset, in the field's unit.

    The number is the cell, or the first group of ``pattern`` in it.
    """

    id: ColumnId
    factor: float = 1.0
    offset: float = 0.0
    pattern: Pattern[str] | None = None


@dataclass(frozen=True)
class Mapping:
    """``colours_are_counts``: red, green and blue are raw counts like the clear count, not 0 to 255 relative to it.

    ``extra`` has fields that are not the board's, and that are added to its readings.
    """

    times: Times
    fields: dict[str, Column]
    extra: dict[str, Column] = field(default_factory=dict)
    dialect: Dialect = Dialect()
    colours_are_counts: bool = False
    sensor: Name | None = None
    host: Name | None = None


def shipped_mappings() -> dict[str, str]:
    """Name → TOML text of the mappings that come with the program."""
    folder = files(__package__) / "mappings"
    return {
        file.name.removesuffix(".toml"): file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    }


def load_mapping(name: str) -> Mapping:
    """A shipped mapping by name, or one by the path of its TOML file. Raises UserError."""
    shipped = shipped_mappings()
    if name in shipped:
        return parse_mapping(shipped[name], name)
    file = Path(name)
    if file.exists() and not file.is_file():
        raise UserError(f"--map {name}: a mapping must be a regular file")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        known = ", ".join(sorted(shipped))
        raise UserError(f"--map {name}: this is neither a shipped mapping ({known}) nor a file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--map {name}: {error}") from error
    return parse_mapping(text, name)


def parse_mapping(text: str, source: str) -> Mapping:
    """Parse and check a mapping. Raises UserError with the key, its value and what was expected."""
    from sensorpi.sensor.recordings.mapping_file import mapping_of

    try:
        return mapping_of(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{source}: not TOML: {error}") from error
    except ValueError as error:
        raise UserError(f"{source}: {error}") from error
