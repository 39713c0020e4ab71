"""Units of recorded values, and what a value in each means in the unit that readings have."""

import unicodedata
from typing import NamedTuple

from sensorpi.common.reading import FIELD_UNITS


class Unit(NamedTuple):
    """The value in ``base``, the unit of readings, is value · factor + offset."""

    base: str
    factor: float
    offset: float = 0.0


#: The standard acceleration of gravity in m/s², and the pressure of 1 mmHg and 1 inHg in Pa.
_G, _MMHG, _INHG = 9.80665, 133.322_387_415, 3386.388_640_341

_UNITS = {
    "°C": Unit("°C", 1),
    "°F": Unit("°C", 5 / 9, -160 / 9),
    "K": Unit("°C", 1, -273.15),
    "Pa": Unit("Pa", 1),
    "hPa": Unit("Pa", 100),
    "mbar": Unit("Pa", 100),
    "kPa": Unit("Pa", 1000),
    "bar": Unit("Pa", 100_000),
    "mmHg": Unit("Pa", _MMHG),
    "inHg": Unit("Pa", _INHG),
    "psi": Unit("Pa", 6894.757_293_168),
    "g": Unit("g", 1),
    "mg": Unit("g", 0.001),
    "m/s²": Unit("g", 1 / _G),
    "°": Unit("°", 1),
    "rad": Unit("°", 57.295_779_513_082_32),
    "µT": Unit("µT", 1),
    "nT": Unit("µT", 0.001),
    "mG": Unit("µT", 0.1),
    "G": Unit("µT", 100),
    "%": Unit("%", 1),
    "lux": Unit("lux", 1),
}
_SPELLINGS = {"C": "°C", "degC": "°C", "F": "°F", "degF": "°F", "m/s^2": "m/s²", "deg": "°", "uT": "µT", "lx": "lux"}


def _plain(name: str) -> str:
    """One spelling of characters that look the same, such as the two that are used for µ."""
    return unicodedata.normalize("NFKC", name.strip())


_BY_NAME = {_plain(name): unit for name, unit in _UNITS.items()}
_BY_NAME |= {_plain(other): _UNITS[name] for other, name in _SPELLINGS.items()}


def unit_named(name: str, field: str) -> Unit:
    """The unit of that name for a field. Raises ValueError with the names that are possible."""
    base = FIELD_UNITS.get(field)
    unit = _BY_NAME.get(_plain(name))
    if unit is None or (base is not None and unit.base != base):
        possible = [known for known, unit in _UNITS.items() if base in (None, unit.base)]
        known = f"one of {', '.join(possible)}" if possible else "possible: this field has no other unit"
        raise ValueError(f"{name!r} is not {known}")
    return unit
