"""Column mappings: TOML files that tell which column of a CSV recording has which field."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import voluptuous as vol

from sensorpi.common.errors import UserError
from sensorpi.common.reading import FIELDS

#: The range of timestamps, in ms: the years 1970 to 9999.
TIMES_MS = (0, 253_402_300_799_999)

_COLUMN = vol.All(str, vol.Length(min=1))
_NUMBER = vol.All(vol.Any(int, float), vol.Coerce(float))
_SCHEMA = vol.Schema(
    {
        vol.Required("time"): {vol.Required("column"): _COLUMN, vol.Required("format"): _COLUMN},
        vol.Required("fields"): vol.All(
            {vol.In(FIELDS): vol.Any(_COLUMN, {vol.Required("column"): _COLUMN, "factor": _NUMBER, "offset": _NUMBER})},
            vol.Length(min=1),
        ),
        "colours": vol.In(("0-255", "counts")),
        "sensor": vol.Any(_COLUMN, {vol.Required("column"): _COLUMN}),
        "host": vol.Any(_COLUMN, {vol.Required("column"): _COLUMN}),
    }
)


@dataclass(frozen=True)
class Name:
    """A sensor or host: a constant, or in a column."""

    constant: str | None = None
    column: str | None = None


@dataclass(frozen=True)
class Column:
    """A field's column. The value is cell · factor + offset, in the field's unit."""

    name: str
    factor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Mapping:
    """``colours_are_counts``: red, green and blue are raw counts like the clear count, not 0 to 255 relative to it."""

    time_column: str
    time_format: str
    fields: dict[str, Column]
    colours_are_counts: bool = False
    sensor: Name | None = None
    host: Name | None = None

    def time_reader(self) -> Callable[[str], int]:
        """A function: cell → ms since the epoch, UTC. It raises ValueError for a cell that is not such a time."""
        return time_reader(self.time_format)


def time_reader(time_format: str) -> Callable[[str], int]:
    """The same for ``s``, ``ms``, ``iso8601`` or a strptime pattern. Times without a zone are UTC."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    def within(time_ms: float) -> int:
        if not TIMES_MS[0] <= time_ms <= TIMES_MS[1]:
            raise ValueError(time_ms)
        return round(time_ms)

    def from_datetime(time: datetime) -> int:
        since = (time if time.tzinfo is not None else time.replace(tzinfo=UTC)) - epoch
        return within((since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000)

    if time_format == "s":
        return lambda cell: within(float(cell) * 1000)
    if time_format == "ms":
        return lambda cell: within(float(cell))
    if time_format == "iso8601":
        return lambda cell: from_datetime(datetime.fromisoformat(cell))
    return lambda cell: from_datetime(datetime.strptime(cell, time_format))


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
    try:
        text = Path(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        known = ", ".join(sorted(shipped))
        raise UserError(f"--map {name}: this is neither a shipped mapping ({known}) nor a file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--map {name}: {error}") from error
    return parse_mapping(text, name)


def parse_mapping(text: str, source: str) -> Mapping:
    """Parse and check a mapping. Raises UserError with the key, its value and what was expected."""
    try:
        table: dict[str, Any] = _SCHEMA(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{source}: not TOML: {error}") from error
    except vol.MultipleInvalid as invalid:
        first = invalid.errors[0]
        raise UserError(f"{source}: {'.'.join(map(str, first.path)) or 'the file'}: {first.msg}") from invalid
    counts = table.get("colours") == "counts"
    if counts and "lightv" not in table["fields"]:
        raise UserError(f"{source}: colours: counts are useful only with the clear count; map lightv as well")
    return Mapping(
        time_column=table["time"]["column"],
        time_format=table["time"]["format"],
        fields={
            field: Column(at)
            if isinstance(at, str)
            else Column(at["column"], at.get("factor", 1.0), at.get("offset", 0.0))
            for field, at in table["fields"].items()
        },
        colours_are_counts=counts,
        sensor=_name(table.get("sensor")),
        host=_name(table.get("host")),
    )


def _name(value: str | dict[str, str] | None) -> Name | None:
    if value is None:
        return None
    return Name(constant=value) if isinstance(value, str) else Name(column=value["column"])
