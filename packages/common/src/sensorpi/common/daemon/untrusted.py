"""Reads what may be damaged or hostile: JSON of other programs, and what a part has written for its own next start.

A power cut, a failing card or another program can leave anything in a state file's place: half a file, other bytes,
even a folder. What is damaged is set aside under another name, with one line in the log, and the part starts without.
"""

import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from sensorpi.common.errors import UserError
from sensorpi.common.files import set_aside

_log = logging.getLogger(__name__)

#: Most state files are small; a larger one is not ours.
MOST_BYTES = 1024 * 1024

#: What code raises that takes a value apart which is not as expected.
NOT_AS_EXPECTED = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)

T = TypeVar("T")


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError, and nothing else.

    NaN, Infinity, numbers beyond the range of a float, and nesting that is too deep for the parser are refused as well.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:20]} is too large")
    return number


def load(file: Path, parse: Callable[[str], T], most_bytes: int = MOST_BYTES) -> T | None:
    """What ``parse`` makes of the file's text; None if there is no file, or none that can be used.

    ``parse`` raises one of ``NOT_AS_EXPECTED`` for a damaged text. A file that cannot be read, such as one of another
    user, stays where it is.
    """
    try:
        if not file.is_file():
            if not file.is_symlink() and not file.exists():
                return None
            raise ValueError("it is not a file")
        with file.open("rb") as opened:
            content = opened.read(most_bytes + 1)
        if len(content) > most_bytes:
            raise ValueError(f"it has more than {most_bytes} bytes")
        return parse(content.decode())
    except NOT_AS_EXPECTED as error:
        _give_up(file, str(error) or type(error).__name__)
    except OSError as error:
        _log.warning("%s cannot be read, so this start is without it: %s", file, error.strerror or error)
    return None


def _give_up(file: Path, reason: str) -> None:
    try:
        aside = set_aside(file)
    except UserError as error:
        _log.warning("%s is damaged (%s), so this start is without it; %s", file, reason, error)
    else:
        _log.warning("%s was damaged (%s) and is now %s; this start is without it", file, reason, aside.name)
