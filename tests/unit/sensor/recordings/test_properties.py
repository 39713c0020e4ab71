"""Any log: what is written in a random dialect, zone or name is read back as it was."""

import csv
import io
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sensorpi.common.errors import UserError
from sensorpi.common.reading import NAME
from sensorpi.sensor.recordings.mapping import parse_mapping
from sensorpi.sensor.recordings.recording import Recording, load
from sensorpi.sensor.recordings.table import Table

START = datetime(2025, 1, 1, tzinfo=UTC)
ZONES = sorted(available_timezones())
FORMATS = ["%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%m/%d/%y %I:%M:%S %p", "%d %b %Y, %H:%M:%S", "iso8601", "s", "ms"]
NUMBERS = st.floats(-40, 85).map(lambda value: round(value, 3))
NAMES = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=20)
QUOTING: list[Literal[0, 1]] = [csv.QUOTE_MINIMAL, csv.QUOTE_ALL]


def quoted(text: str) -> str:
    """A TOML string of any text."""
    return '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'


def table_of(directory: Path, content: bytes, mapping: str) -> Table:
    file = directory / "r.csv"
    file.write_bytes(content)
    return load(Recording(file, parse_mapping(mapping, "m.toml")), "S", "H", original=True)


@st.composite
def logs(draw: st.DrawFn) -> tuple[bytes, str, list[tuple[int, dict[str, float]]]]:
    """A file in a random dialect, its mapping, and the times and values in it."""
    decimal = draw(st.sampled_from([".", ","]))
    delimiter = draw(st.sampled_from([";", "\t", "|", ","]))
    encoding = draw(st.sampled_from([None, "utf-8-sig", "utf-16", "latin-1", "utf-16-le"]))
    header = draw(st.booleans())
    missing = draw(st.sampled_from(["None", "NaN", "N/A", "-", ""]))
    time_format = draw(st.sampled_from(FORMATS))
    alphabet = st.characters(max_codepoint=255 if encoding == "latin-1" else None, blacklist_categories=["Cs", "Cc"])
    name = st.text(alphabet, min_size=1, max_size=8).filter(lambda text: text.strip() == text)
    names = draw(st.lists(name, min_size=3, max_size=3, unique=True))
    values = draw(st.lists(st.tuples(NUMBERS, NUMBERS | st.none()), min_size=1, max_size=8))
    order = draw(st.permutations(range(3)))
    written, expected = [], []
    for row, (temperature, humidity) in enumerate(values):
        time = START + timedelta(minutes=row)
        clock = {"iso8601": time.isoformat(), "s": f"{time.timestamp():.0f}", "ms": f"{time.timestamp() * 1000:.0f}"}
        cells = [clock.get(time_format) or time.strftime(time_format)]
        cells += [missing if value is None else str(value).replace(".", decimal) for value in (temperature, humidity)]
        written.append([cells[place] for place in order])
        expected.append((
            round(time.timestamp() * 1000),
            {"temperature": temperature} | ({} if humidity is None else {"humidity": humidity}),
        ))  # fmt: skip
    text = io.StringIO()
    quoting = draw(st.sampled_from(QUOTING))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
    if header:
        writer.writerow([names[place] for place in order])
    writer.writerows(written)
    at = [quoted(names[place]) if header else str(order.index(place) + 1) for place in range(3)]
    lines = ["[csv]", f"delimiter = {quoted(delimiter)}", f'decimal = "{decimal}"', f'missing = ["{missing}"]']
    lines += [f"header = {str(header).lower()}"]
    lines += [f'encoding = "{encoding}"'] if encoding in ("latin-1", "utf-16-le") else []
    lines += ["[time]", f"column = {at[0]}", f'format = "{time_format}"', "[fields]", f"temperature = {at[1]}"]
    lines += ["[extra]", f"humidity = {at[2]}"]
    return text.getvalue().encode(encoding or "utf-8"), "\n".join(lines), expected


@given(logs())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_log_in_any_dialect_is_read_back(
    tmp_path: Path, log: tuple[bytes, str, list[tuple[int, dict[str, float]]]]
) -> None:
    content, mapping, expected = log
    table = table_of(tmp_path, content, mapping)
    assert [(table.times_ms[index], table.values(index)) for index in table.order] == expected


def changes(zone: ZoneInfo, year: int) -> list[datetime]:
    """The hours in UTC after which a zone's offset is another one."""
    hours = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(0, 366 * 24)]
    offsets = [hour.astimezone(zone).utcoffset() for hour in hours]
    return [here for here, before, after in zip(hours, offsets, offsets[1:], strict=False) if before != after]


@given(
    zone=st.sampled_from(ZONES), year=st.integers(2001, 2025), step_min=st.sampled_from([1, 5, 10, 20, 30, 60]),
    newest_first=st.booleans(), data=st.data(),
)  # fmt: skip
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_local_times_are_right_on_both_sides_of_a_change(
    tmp_path: Path, zone: str, year: int, step_min: int, newest_first: bool, data: st.DataObject
) -> None:
    found = changes(ZoneInfo(zone), year)
    middle = data.draw(st.sampled_from(found)) if found else datetime(year, 6, 1, tzinfo=UTC)
    offset = middle.astimezone(ZoneInfo(zone)).utcoffset()
    assume(offset is not None and offset.total_seconds() % 60 == 0)
    times = [middle + timedelta(minutes=step_min * step) for step in range(-300 // step_min, 300 // step_min)]
    rows = [f"{time.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S},{step / 100}" for step, time in enumerate(times)]
    content = "\n".join(["time,temp", *(reversed(rows) if newest_first else rows)])
    mapping = f'[time]\ncolumn = "time"\nformat = "iso8601"\nzone = "{zone}"\n[fields]\ntemperature = "temp"\n'
    table = table_of(tmp_path, content.encode(), mapping)
    read = [(table.times_ms[index], table.values(index)["temperature"]) for index in table.order]
    assert read == [(round(time.timestamp() * 1000), step / 100) for step, time in enumerate(times)]


@given(sensor=NAMES | st.text(max_size=5), as_json=st.booleans())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_name_is_kept_or_refused_as_the_job_would(tmp_path: Path, sensor: str, as_json: bool) -> None:
    """Each name that the job takes is kept to the last character; each other one is refused before anything starts."""
    assume(sensor.strip() == sensor)  # a cell's outer space is not part of its value
    if as_json:
        file, mapping = tmp_path / "r.jsonl", None
        message: dict[str, Any] = {"timestamp": 1_795_168_800_000, "temperature": 20, "sensor": sensor}
        file.write_text(json.dumps(message), encoding="utf-8")
    else:
        file = tmp_path / "r.csv"
        text = io.StringIO(newline="")
        csv.writer(text).writerows([["time", "temp", "name"], ["2025-01-01", "20", sensor]])
        file.write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))
        columns = '[time]\ncolumn = "time"\nformat = "iso8601"\n[fields]\ntemperature = "temp"\n'
        mapping = parse_mapping('sensor = { column = "name" }\n' + columns, "m.toml")
    if NAME.fullmatch(sensor):
        table = load(Recording(file, mapping), "S", "H", original=True)
        assert table.series == [(sensor, "H")]
        return
    with pytest.raises(UserError, match=r"line [1-7]") as raised:  # a name can have line breaks
        load(Recording(file, mapping), "S", "H", original=True)
    assert "\n" not in str(raised.value)


@given(st.floats(-100, 200), st.sampled_from(["°C", "°F", "K"]))
@settings(deadline=None)
def test_a_temperature_is_the_same_in_each_unit(celsius: float, unit: str) -> None:
    written = {"°C": celsius, "°F": celsius * 9 / 5 + 32, "K": celsius + 273.15}[unit]
    text = f'[time]\ncolumn = 1\nformat = "s"\n[fields]\ntemperature = {{ column = 2, unit = "{unit}" }}'
    column = parse_mapping(text, "m.toml").fields["temperature"]
    assert math.isclose(written * column.factor + column.offset, celsius, abs_tol=1e-9)
