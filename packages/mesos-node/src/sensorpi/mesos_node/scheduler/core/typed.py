"""Makes dataclasses of JSON values, each of which must have the type that its field declares."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

#: Times in seconds, sizes and counts are far below.
_LARGEST = 1e15

T = TypeVar("T")


def build(kind: type[T], data: object) -> T:
    """An instance of a dataclass. Keys that it does not have are ignored.

    Raises TypeError when a value is missing or has another type, and ValueError when a number is absurdly large.
    """
    if not isinstance(data, Mapping):
        raise TypeError(f"{kind.__name__} is not an object")
    hints = get_type_hints(kind)
    return kind(**{name: _value(hints[name], value, name) for name, value in data.items() if name in hints})


def _value(hint: Any, value: Any, name: str) -> Any:
    container, arguments = get_origin(hint), get_args(hint)
    if container is UnionType:
        if value is None and NoneType in arguments:
            return None
        [hint] = [each for each in arguments if each is not NoneType]
        return _value(hint, value, name)
    if is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value)
    if container is list and isinstance(value, list):
        return [_value(arguments[0], each, name) for each in value]
    if container is dict and isinstance(value, dict):
        return {key: _value(arguments[1], each, name) for key, each in value.items()}
    if type(value) is hint or (hint is float and type(value) is int):
        if isinstance(value, int | float) and not -_LARGEST < value < _LARGEST:
            raise ValueError(f"{name} is too large")
        return value
    raise TypeError(f"{name} has a value of the wrong type")
