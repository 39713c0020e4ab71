"""Turns a recorded row into the conditions in which the chips would have measured it."""

import math

from sensorpi.common.reading import FIELD_UNITS, FIELDS
from sensorpi.sensor.board.emulated.bmp280 import PRESSURE_RANGE_PA, TEMPERATURE_RANGE_C
from sensorpi.sensor.board.emulated.environment import Conditions

MOST_COUNTS = 65_535
#: The clear count of rows that have only colours: 100 counts for each of their 255 steps.
CLEAR_WHEN_MISSING = 25_500.0
COLOURS = ("lightr", "lightg", "lightb")
_RANGES = {
    "temperature": TEMPERATURE_RANGE_C,
    "pressure": PRESSURE_RANGE_PA,
    "lightv": (0.0, float(MOST_COUNTS)),
    "motionx": (-2.0, 2.0),
    "motiony": (-2.0, 2.0),
    "motionz": (-2.0, 2.0),
}


def _channel(colour: float, clear: int) -> int:
    """The smallest count from which the library computes this colour, 0 to 255 relative to the clear count."""
    return max(math.ceil(colour * clear / 255), 0)


def conditions_of(values: dict[str, float], colours_are_counts: bool) -> Conditions:
    """The conditions in which the chips measure these values, as closely as they can.

    Missing values are replaced by usual ones.
    """
    clear = min(max(round(values.get("lightv", CLEAR_WHEN_MISSING)), 0), MOST_COUNTS)
    colours = [values.get(colour, 0.0) for colour in COLOURS]
    red, green, blue = colours if colours_are_counts else [_channel(colour, clear) for colour in colours]
    return Conditions(
        temperature_c=values.get("temperature", 20.0),
        pressure_pa=values.get("pressure", 101_325.0),
        heading_deg=values.get("heading", 0.0),
        clear=clear,
        red=red,
        green=green,
        blue=blue,
        acceleration_g=(values.get("motionx", 0.0), values.get("motiony", 0.0), values.get("motionz", 0.0)),
    )


def fields_of(values: dict[str, float], colours_are_counts: bool) -> frozenset[str]:
    """The fields of the board that this row's reading has. Colour counts are left out if there is no clear count."""
    fields = frozenset(values).intersection(FIELDS)
    return fields.difference(COLOURS) if colours_are_counts and "lightv" not in values else fields


def saturated(values: dict[str, float], colours_are_counts: bool) -> dict[str, str]:
    """The fields that the chips cannot measure, each with a text such as ``pressure 200000 Pa (30000 to 110000)``."""
    outside = {}
    for field, value in values.items():
        low, high = _RANGES.get(field, (-math.inf, math.inf))
        if field in COLOURS:
            clear = min(values.get("lightv", CLEAR_WHEN_MISSING), MOST_COUNTS)
            low, high = 0.0, float(MOST_COUNTS) if colours_are_counts or clear <= 0 else 255 * MOST_COUNTS / clear
        if not low <= value <= high:
            outside[field] = f"{field} {value:g} {FIELD_UNITS[field]} ({low:g} to {high:g})"
    return outside
