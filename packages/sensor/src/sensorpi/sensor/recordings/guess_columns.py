"""Which columns of a CSV file have which fields, in which unit: by their names and their values."""

import re
from dataclasses import dataclass, field
from statistics import median

from sensorpi.common.reading import FIELD_NAME, FIELDS, RESERVED_FIELDS
from sensorpi.sensor.recordings.guess_dialect import Sample
from sensorpi.sensor.recordings.numbers import number_in

#: Names of columns, without spaces, units and punctuation, in lower case; the most probable first.
_NAMES = {
    "temperature": ["temperature", "temp", "weathertemp", "weathertemperature", "tempp", "temppressure", "tempc",
                    "temph", "airtemp", "temperatur", "température", "temperatura", "t"],
    "pressure": ["pressure", "press", "pres", "barometricpressure", "weatherpressure",
                 "baro", "barometer", "luftdruck", "druck", "pression",
                 "presion", "airpressure", "hpa", "pressurepa", "p"],
    "heading": ["heading", "compass", "bearing", "kompass"],
    "lightv": ["light", "lightlevel", "lightv", "clear", "c"],
    "lightr": ["lightr", "red", "r"],
    "lightg": ["lightg", "green", "g"],
    "lightb": ["lightb", "blue", "b"],
    "motionx": ["motionx", "accelx", "accelerationx", "accelerometerx", "accx", "ax", "x"],
    "motiony": ["motiony", "accely", "accelerationy", "accelerometery", "accy", "ay", "y"],
    "motionz": ["motionz", "accelz", "accelerationz", "accelerometerz", "accz", "az", "z"],
}  # fmt: skip
_TRIPLES = {
    ("lightr", "lightg", "lightb"): ("rgb", "colour", "color", "colours", "colors", "lightrgb"),
    ("motionx", "motiony", "motionz"): ("motion", "accel", "acceleration", "accelerometer", "acc"),
}
_NOT_EXTRA = ("sensor", "host", "boot", "sequence", "timestamp", "id", "index", "row_id")
_MOST_EXTRA = 40
_OTHER_TRIPLES = ("mag", "magnetometer", "gyro", "gyroscope", "orientation")
_UNIT = re.compile(
    r"(?:[\[(/_ -])(°?C|celsius|degC|°?F|fahrenheit|degF|K|kelvin|hPa|mbar|kPa|Pa|inHg|mmHg|mg|m/s\^?2|m/s²|g)[\])]?$",
    re.I,
)
_SPELLED = {"celsius": "°C", "fahrenheit": "°F", "kelvin": "K", "c": "°C", "f": "°F", "degc": "°C", "degf": "°F",
            "°c": "°C", "°f": "°F", "k": "K", "hpa": "hPa", "mbar": "mbar", "kpa": "kPa", "pa": "Pa", "inhg": "inHg",
            "mmhg": "mmHg", "mg": "mg", "m/s2": "m/s²", "m/s^2": "m/s²", "m/s²": "m/s²", "g": "g"}  # fmt: skip
_BASES = {"temperature": ("°C", "°F", "K"), "pressure": ("Pa", "hPa", "mbar", "kPa", "inHg", "mmHg")}
_MISSING = ("none", "nan", "n/a", "na", "-", "--", "nil", "null", "error", "err", "inf", "-nan", "#n/a", "?", "unknown")
_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"


@dataclass
class Found:
    """Field → the column's place, and the further keys of its mapping, as TOML."""

    fields: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    extra: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    colours_are_counts: bool = False

    @property
    def places(self) -> set[int]:
        """The columns that are used."""
        return {place for place, _ in (*self.fields.values(), *self.extra.values())}


def is_time(name: str) -> bool:
    """Whether a column is called like one with times."""
    return any(word in name.lower() for word in ("time", "date", "stamp", "zeit", "datum", "heure", "hora", "fecha"))


def _plain(name: str) -> str:
    without_unit = _UNIT.sub("", re.sub(r"\(.*?\)|\[.*?\]", "", name).strip())
    return re.sub(r"[\W_]", "", without_unit or name).lower()


def find_spans(sample: Sample) -> tuple[dict[int, int], str] | None:
    """The columns that have several cells each, if the rows have more cells than the header has names.

    Also the decimal separator, which is a comma if that explains the cells. None if nothing does.
    """
    more = len(sample.rows[0]) - len(sample.names) if sample.rows else 0
    if more <= 0:
        return {}, sample.decimal
    triples = {name for names in _TRIPLES.values() for name in names}.union(_OTHER_TRIPLES)
    places = [place for place, name in enumerate(sample.names) if _plain(name) in triples]
    if 2 * len(places) == more:
        return dict.fromkeys(places, 3), sample.decimal
    times = [place for place, name in enumerate(sample.names) if is_time(name)]
    if len(times) == more == 1:
        return {times[0]: 2}, sample.decimal  # such as 20/11/2026, 10:00:00
    others = [place for place in range(len(sample.names)) if place not in times]
    if len(times) == 1 and len(others) == more and sample.delimiter == "," and _are_halves(sample, times[0]):
        return dict.fromkeys(others, 2), ","
    return None


def _are_halves(sample: Sample, time: int) -> bool:
    """Whether all cells but the one with the time are the halves of numbers with a decimal comma."""
    for row in sample.rows:
        halves = row[: time * 2] + row[time * 2 + 1 :]
        if not all(re.fullmatch(r"[+-]?\d+" if place % 2 == 0 else r"\d+", half) for place, half in enumerate(halves)):
            return False
    return True


def find_fields(sample: Sample, columns: list[list[str]], spans: dict[int, int], used: set[int]) -> Found:
    """The fields of the board that the columns have, and other columns with numbers."""
    found = Found()
    used = set(used)
    if not sample.has_header:
        return _by_values(sample, columns, used)
    plain = [_plain(name) for name in sample.names]
    for names, words in _TRIPLES.items():
        for place, name in enumerate(plain):
            if name in words and place not in used and _is_triple(columns[place]):
                used.add(place)
                for number, target in enumerate(names):
                    found.fields[target] = place, {"pattern": f"'{_nth(number)}'"}
    for target, spellings in _NAMES.items():
        for spelling in spellings:
            at = next((index for index, name in enumerate(plain) if name == spelling and index not in used), None)
            if at is None or target in found.fields or not (values := _values(columns[at], sample.decimal)):
                continue
            used.add(at)
            found.fields[target] = at, _unit_options(target, sample.names[at], values)
    for place, name in enumerate(sample.names):
        extra = re.sub(r"\W+", "_", name.strip().lower(), flags=re.ASCII).strip("_")
        is_name = FIELD_NAME.fullmatch(extra) and extra not in (*FIELDS, *RESERVED_FIELDS, *found.extra)
        if place in used or place in spans or not is_name or extra in _NOT_EXTRA or len(found.extra) == _MOST_EXTRA:
            continue
        if _values(columns[place], sample.decimal):
            found.extra[extra] = place, {}
    found.colours_are_counts = _are_counts(found, columns, sample.decimal)
    return found


def _by_values(sample: Sample, columns: list[list[str]], used: set[int]) -> Found:
    """Without names: a pressure is known by its values; a temperature is the first that could be one, with decimals."""
    found = Found()
    for place, column in enumerate(columns):
        values = _values(column, sample.decimal)
        if place in used or not values:
            continue
        middle = median(values)
        if "pressure" not in found.fields and (850 <= middle <= 1100 or 85_000 <= middle <= 110_000):
            found.fields["pressure"] = place, _unit_options("pressure", "", values)
        elif "temperature" not in found.fields and 2 <= abs(middle) <= 60 and any(value % 1 for value in values):
            found.fields["temperature"] = place, {}
    return found


def find_missing(columns: list[list[str]], decimal: str) -> list[str]:
    """Words for missing values in columns of numbers."""
    words = dict[str, None]()
    for column in columns:
        for cell in column:
            if cell.lower() in _MISSING and cell.lower() != "null" and not _values([cell], decimal):
                words[cell] = None
    return list(words)


def _values(cells: list[str], decimal: str) -> list[float]:
    """The numbers of a column; none if one of its cells is neither a number nor missing."""
    values = []
    for cell in cells:
        try:
            values.append(number_in(cell, decimal))
        except ValueError:
            if cell and cell.lower() not in _MISSING:
                return []
    return values


def _is_triple(cells: list[str]) -> bool:
    return all(len(re.findall(_NUMBER, cell)) == 3 for cell in cells if cell)


def _nth(number: int) -> str:
    """A pattern for the nth of three numbers in a cell, from 0."""
    before = rf"(?:{_NUMBER}[^-+\d]+)" + (f"{{{number}}}" if number else "{0}")
    return rf"^[^-+\d]*{before}({_NUMBER})"


def _unit_options(target: str, name: str, values: list[float]) -> dict[str, str]:
    said = _UNIT.search(re.sub(r"\s+", " ", name.strip())) or re.search(r"()(hpa|mbar|kpa|inhg|mmhg)", name, re.I)
    unit = _SPELLED.get((said[said.lastindex or 0] or "").lower(), "") if said else ""
    bases = _BASES.get(target, ("g", "mg", "m/s²") if target.startswith("motion") else ())
    if unit not in bases:
        unit = _unit_by_value(target, sorted(map(abs, values))[len(values) // 2])
    return {"unit": f'"{unit}"'} if unit and unit != bases[0] else {}


def _unit_by_value(target: str, middle: float) -> str:
    if target == "pressure":
        for unit, low, high in (("inHg", 20, 32.5), ("kPa", 50, 115), ("hPa", 300, 1150)):
            if low <= middle <= high:
                return unit
    if target == "temperature" and 240 <= middle <= 340:
        return "K"
    if target.startswith("motion"):
        return "m/s²" if 7 <= middle <= 12 else "mg" if middle > 100 else ""
    return ""


def _are_counts(found: Found, columns: list[list[str]], decimal: str) -> bool:
    """Colours are raw counts if they are beyond 255."""
    colours = [found.fields[name] for name in ("lightr", "lightg", "lightb") if name in found.fields]
    if "lightv" not in found.fields or any(options for _, options in colours):
        return False
    return any(max(_values(columns[place], decimal), default=0) > 255 for place, _ in colours)
