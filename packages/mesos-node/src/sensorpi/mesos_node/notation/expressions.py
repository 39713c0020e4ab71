"""The notations of the broker commands for brokers, times, ports and settings."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from sensorpi.common.errors import UserError

#: A larger range of brokers is a typing error.
_MOST_BROKERS = 1000

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def broker_ids(
    expression: str, known: Sequence[int], places: Mapping[int, Mapping[str, str]] | None = None
) -> list[int]:
    """The ids that an expression names, in order: ``0,1``, ``0..2``, ``*``, ``*[hostname=worker*,rack=r1]``.

    ``*`` means the ``known`` ids. The brackets contain patterns for the attributes of the brokers' ``places``, which
    include ``hostname``. Raises ``UserError`` for anything else.
    """
    text, filters = _split_filters(expression.strip())
    ids: set[int] = set()
    for part in text.split(","):
        part = part.strip()
        if part == "*":
            ids.update(known)
        elif match := re.fullmatch(r"(\d{1,4})(?:\.\.(\d{1,4}))?", part, re.ASCII):
            first, last = int(match[1]), int(match[2] or match[1])
            if last < first or last - first >= _MOST_BROKERS:
                raise UserError(f'"{expression}": {part} is not a range of brokers')
            ids.update(range(first, last + 1))
        else:
            raise UserError(f'"{expression}": expected brokers such as 0 or 0,1 or 0..2 or * or *[hostname=worker*]')
    return sorted(each for each in ids if _matches((places or {}).get(each, {}), filters))


def _split_filters(expression: str) -> tuple[str, dict[str, str]]:
    match = re.fullmatch(r"([^\[\]]*)(?:\[([^\[\]]*)\])?", expression)
    if match is None:
        raise UserError(f'"{expression}": the brackets do not match')
    return match[1], settings(match[2], "a filter") if match[2] is not None else {}


def _matches(place: Mapping[str, str], filters: Mapping[str, str]) -> bool:
    return all(name in place and fnmatchcase(place[name], pattern) for name, pattern in filters.items())


def seconds(text: str) -> float:
    """A duration in seconds: ``30s``, ``5m``, ``1h``, ``2d``, ``500ms``, or ``0``. Raises ``UserError``."""
    match = re.fullmatch(r"(\d{1,9})(ms|s|m|h|d)", text.strip(), re.ASCII)
    if match is None:
        if text.strip() == "0":
            return 0.0
        raise UserError(f'"{text}": expected a time such as 30s, 5m or 1h')
    return int(match[1]) * _SECONDS[match[2]]


def time_text(seconds_: float) -> str:
    """The shortest text that ``seconds`` reads back, for whole seconds."""
    for unit in ("d", "h", "m"):
        if seconds_ >= _SECONDS[unit] and seconds_ % _SECONDS[unit] == 0:
            return f"{seconds_ / _SECONDS[unit]:.0f}{unit}"
    return f"{seconds_:.0f}s"


def port_range(text: str) -> tuple[int, int]:
    """One port, ``7010``, or a range, ``31000..31100``, both ends included. Raises ``UserError``."""
    match = re.fullmatch(r"(\d{1,5})(?:\.\.(\d{1,5}))?", text.strip(), re.ASCII)
    if match is None or not 0 < int(match[1]) <= int(match[2] or match[1]) <= 65535:
        raise UserError(f'"{text}": expected a port such as 7010, or a range such as 31000..31100')
    return int(match[1]), int(match[2] or match[1])


def settings(text: str, what: str = "a setting") -> dict[str, str]:
    r"""``a=b,c=d`` as a dictionary; a comma in a value is written ``\,``. Raises ``UserError``."""
    result = {}
    for part in re.split(r"(?<!\\),", text) if text.strip() else []:
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise UserError(f'"{part}": expected {what} as NAME=VALUE')
        result[name.strip()] = value.strip().replace("\\,", ",")
    return result


def settings_text(values: Mapping[str, str]) -> str:
    """What ``settings`` reads back."""
    return ",".join(f"{name}={value}".replace(",", "\\,") for name, value in values.items())
