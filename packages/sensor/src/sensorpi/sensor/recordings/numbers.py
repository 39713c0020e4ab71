"""Cells as numbers."""

import math
import re


class HintError(ValueError):
    """A cell is not what was expected; the text is a hint for its owner."""


_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def number_in(cell: str, decimal: str = ".") -> float:
    """The finite number in a cell, without surrounding space. Raises ValueError, or HintError."""
    if decimal != "." and "." in cell:
        raise HintError(f"the decimal separator is {decimal}")
    if "_" in cell:
        raise ValueError(cell)
    try:
        number = float(cell.replace(decimal, "."))
    except ValueError:
        if decimal == "." and _DECIMAL_COMMA.fullmatch(cell):
            raise HintError('with csv.decimal = "," it is one') from None
        raise ValueError(cell) from None
    if not math.isfinite(number):
        raise ValueError(cell)
    return number
