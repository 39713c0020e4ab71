"""Recordings as people have them: each gives the right values, or a line that a person can act on."""

import time
from pathlib import Path

import pytest

from sensorpi.common.errors import UserError
from sensorpi.sensor.board.emulated.environment import Moment
from sensorpi.sensor.recordings.recording import load, open_recording
from sensorpi.sensor.recordings.replay import Replay
from sensorpi.sensor.recordings.table import Table

TIME = '[time]\ncolumn = "time"\nformat = "iso8601"\n'
TEMPERATURE = '[fields]\ntemperature = "temp"\n'
BOTH = TEMPERATURE + 'pressure = { column = "hPa", unit = "hPa" }\n'


def table_of(directory: Path, content: str | bytes, mapping: str | None, original: bool = True) -> Table:
    file = directory / ("r.csv" if mapping is not None else "r.jsonl")
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    (directory / "m.toml").write_text(mapping or "", encoding="utf-8")
    return load(open_recording(file, str(directory / "m.toml") if mapping is not None else None), "S", "H", original)


def rows(table: Table) -> list[tuple[str, dict[str, float]]]:
    return [
        (table.when(index), {name: round(value, 4) for name, value in table.values(index).items()})
        for index in table.order
    ]


def moments_of(directory: Path, content: str, mapping: str | None, speed: float, original: bool) -> list[Moment]:
    table_of(directory, content, mapping, original)
    file = directory / ("r.csv" if mapping is not None else "r.jsonl")
    return list(Replay(file, str(directory / "m.toml") if mapping else None, speed, original, "S", "H").moments())


PLAYED: dict[str, tuple[str | bytes, str, list[tuple[str, dict[str, float]]]]] = {
    "semicolons and decimal commas": (
        'time;hPa;temp\n20/11/2026 15:30;1015,0;28,9\n',
        '[csv]\ndelimiter = ";"\ndecimal = ","\n' + TIME.replace("iso8601", "%d/%m/%Y %H:%M") + BOTH,
        [("2026-11-20T15:30:00Z", {"temperature": 28.9, "pressure": 101_500})],
    ),
    "tabs": (
        "time\ttemp\thPa\n2026-11-20 10:00:00\t20.5\t1013.2\n",
        '[csv]\ndelimiter = "\\t"\n' + TIME + BOTH,
        [("2026-11-20T10:00:00Z", {"temperature": 20.5, "pressure": 101_320})],
    ),
    "no header": (
        "20.5,1013.2,2026-11-20 10:00:00\n",
        '[csv]\nheader = false\n[time]\ncolumn = 3\nformat = "iso8601"\n[fields]\ntemperature = 1\n'
        'pressure = { column = 2, unit = "hPa" }\n',
        [("2026-11-20T10:00:00Z", {"temperature": 20.5, "pressure": 101_320})],
    ),
    "latin-1": (
        "time,temp,dew °C\n2026-11-20 10:00:00,20.5,9.1\n".encode("latin-1"),
        '[csv]\nencoding = "latin-1"\n' + TIME + TEMPERATURE + '[extra]\ndew = "dew °C"\n',
        [("2026-11-20T10:00:00Z", {"temperature": 20.5, "dew": 9.1})],
    ),
    "UTF-16 of a spreadsheet": (
        "time\ttemp\r\n2026-11-20 10:00:00\t20.5\r\n".encode("utf-16"),
        '[csv]\ndelimiter = "\\t"\n' + TIME + TEMPERATURE,
        [("2026-11-20T10:00:00Z", {"temperature": 20.5})],
    ),
    "an unnamed column": (
        ",temp\n2026-11-20 10:00:00,20.5\n",
        TIME.replace('"time"', '""') + TEMPERATURE,
        [("2026-11-20T10:00:00Z", {"temperature": 20.5})],
    ),
    "missing words": (
        "time,temp,hPa\n2026-11-20 10:00:00,20.5,1013\n2026-11-20 10:00:10,None,1013\n2026-11-20 10:00:20,,N/A\n",
        '[csv]\nmissing = ["None", "n/a"]\n' + TIME + BOTH,
        [
            ("2026-11-20T10:00:00Z", {"temperature": 20.5, "pressure": 101_300}),
            ("2026-11-20T10:00:10Z", {"pressure": 101_300}),
        ],
    ),
    "cells of one column": (
        "time,light,rgb,temp\n2026-11-20 10:00:00,400,84,94,77,24.99\n",
        "[csv.cells]\nrgb = 3\n" + TIME + TEMPERATURE + 'lightv = "light"\n'
        "lightg = { column = \"rgb\", pattern = '^\\d+,(\\d+)' }\n",
        [("2026-11-20T10:00:00Z", {"temperature": 24.99, "lightv": 400, "lightg": 94})],
    ),
    "a quoted composite cell": (
        'time,rgb,temp\n2026-11-20 10:00:00,"(84, 94, 77)",20.5 °C\n',
        TIME + "[fields]\ntemperature = { column = \"temp\", pattern = '([0-9.]+)' }\n"
        "lightb = { column = \"rgb\", pattern = '(\\d+)\\)' }\n",
        [("2026-11-20T10:00:00Z", {"temperature": 20.5, "lightb": 77})],
    ),
    "date and time in two columns": (
        "date,clock,temp\n20.11.2026,10:00,20.5\n",
        '[time]\ncolumn = ["date", "clock"]\nformat = "%d.%m.%Y %H:%M"\n' + TEMPERATURE,
        [("2026-11-20T10:00:00Z", {"temperature": 20.5})],
    ),
    "repeated headers": (
        "time,temp\n2026-11-20 10:00:00,20.5\ntime,temp\n2026-11-20 10:05:00,20.6\n",
        TIME + TEMPERATURE,
        [("2026-11-20T10:00:00Z", {"temperature": 20.5}), ("2026-11-20T10:05:00Z", {"temperature": 20.6})],
    ),
    "damaged lines": (
        b"time,temp\n2026-11-20 10:00:00,20.5\n"
        + bytes(48)
        + b"time,temp\n2026-11-20 10:0\n2026-11-20 10:05:00,20.6\n",
        "[csv]\nskip_damaged = true\n" + TIME + TEMPERATURE,
        [("2026-11-20T10:00:00Z", {"temperature": 20.5}), ("2026-11-20T10:05:00Z", {"temperature": 20.6})],
    ),
    "a line before the header": (
        "sep=;\ntime;temp\n2026-11-20 10:00:00;20.5\n",
        '[csv]\nskip_lines = 1\ndelimiter = ";"\n' + TIME + TEMPERATURE,
        [("2026-11-20T10:00:00Z", {"temperature": 20.5})],
    ),
    "the name of a zone": (
        "time,temp\nMon Aug 24 08:59:54 CEST 2026,20.5\nSun Oct 25 02:30:00 CET 2026,20.6\n",
        TIME.replace('"iso8601"', '"%a %b %d %H:%M:%S %Z %Y"\nzone = "Europe/Berlin"') + TEMPERATURE,
        [("2026-08-24T06:59:54Z", {"temperature": 20.5}), ("2026-10-25T01:30:00Z", {"temperature": 20.6})],
    ),
    "coarse times": (
        "time,temp\n24/11/26 8:59,20.5\n24/11/26 8:59,20.6\n24/11/26 9:00,20.7\n",
        TIME.replace('"iso8601"', '"%d/%m/%y %H:%M"\nspread = true') + TEMPERATURE,
        [
            ("2026-11-24T08:59:00Z", {"temperature": 20.5}),
            ("2026-11-24T08:59:30Z", {"temperature": 20.6}),
            ("2026-11-24T09:00:00Z", {"temperature": 20.7}),
        ],
    ),
    "no times": (
        "temp\n20.5\n20.6\n",
        "[time]\ninterval_s = 10\nstart = 2026-11-20 10:00:00\n" + TEMPERATURE,
        [("2026-11-20T10:00:00Z", {"temperature": 20.5}), ("2026-11-20T10:00:10Z", {"temperature": 20.6})],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PLAYED)
def test_a_recording_has_the_right_values(tmp_path: Path, case: str) -> None:
    content, mapping, expected = PLAYED[case]
    assert rows(table_of(tmp_path, content, mapping)) == expected


REFUSED: dict[str, tuple[str | bytes, str | None, str]] = {
    "decimal commas without quotes": (
        "time,hPa,temp\n2026-11-20 10:00:00,1013,2,20,5\n", TIME + BOTH, "line 2: the row has 5 cells, its header 3",
    ),
    "colours without quotes": (
        "time,rgb,temp\n2026-11-20 10:00:00,84,94,77,24.99\n", TIME + TEMPERATURE,
        "line 2: the row has 5 cells, its header 3",
    ),
    "a word for a missing value": (
        "time,temp\n2026-11-20 10:00:00,None\n", TIME + TEMPERATURE,
        "'None' is not a finite number; if it means a missing value, add it to csv.missing",
    ),
    "a decimal comma in quotes": (
        'time,temp\n2026-11-20 10:00:00,"20,5"\n', TIME + TEMPERATURE, 'is not a finite number; with csv.decimal = ","',
    ),
    "a decimal point where commas are": (
        'time,temp\n2026-11-20 10:00:00,"1.013,2"\n', '[csv]\ndecimal = ","\n' + TIME + TEMPERATURE,
        "is not a finite number; the decimal separator is ,",
    ),
    "two equal names": (
        "time,temp,temp\n2026-11-20 10:00:00,20.5,21\n", TIME + TEMPERATURE,
        "line 1: the columns 2 and 3 are both called 'temp'",
    ),
    "another separator": ("time;temp\n2026-11-20;20.5\n", TIME + TEMPERATURE, 'csv.delimiter = ";"'),
    "tabs": ("time\ttemp\n2026-11-20\t20.5\n", TIME + TEMPERATURE, 'separated by tab: csv.delimiter = "\\t"'),
    "no header": ("2026-11-20,20.5\n", TIME + TEMPERATURE, "line 1: there is no column 'time'"),
    "no names": ("2026-11-20,20.5\n", TIME + TEMPERATURE, "with csv.header = false"),
    "latin-1": (
        "time,temp,dew °C\n".encode("latin-1"), TIME + TEMPERATURE,
        "r.csv, line 1: byte 0xb0 at character 15 is not UTF-8 text; for another encoding",
    ),
    "UTF-16 without a mark": ("time,temp\n".encode("utf-16-le"), TIME + TEMPERATURE, "utf-16-le"),
    "a block of zeros": (
        b"time,temp\n2026-11-20 10:00:00,20.5\n" + bytes(48) + b"time,temp\n", TIME + TEMPERATURE,
        "line 3: a block of 48 zero bytes, as after a power cut",
    ),
    "a header with other columns": (
        "time,temp\n2026-11-20 10:00:00,20.5\ntime,hPa\n", TIME + TEMPERATURE, "line 3, column time: 'time' is not",
    ),
    "a zone's name alone": (
        "time,temp\n24.08.2026 08:59 CEST,20.5\n",
        TIME.replace("iso8601", "%d.%m.%Y %H:%M %Z") + TEMPERATURE,
        "line 2, column time: '24.08.2026 08:59 CEST' is not a time as %d.%m.%Y %H:%M %Z; CEST may be one of several",
    ),
    "a zone's name in the wrong season": (
        "time,temp\n24.08.2026 08:59 CET,20.5\n",
        TIME.replace('"iso8601"', '"%d.%m.%Y %H:%M %Z"\nzone = "Europe/Berlin"') + TEMPERATURE,
        "in Europe/Berlin it is CEST at this time, not CET",
    ),
    "an hour that does not exist": (
        "time,temp\n2026-03-29 02:30:00,20.5\n", TIME + 'zone = "Europe/Berlin"\n' + TEMPERATURE, "is put forward",
    ),
    "a time without a date": (
        "time,temp\n10:00:01,20.5\n", TIME.replace("iso8601", "%H:%M:%S") + TEMPERATURE,
        "its times have no date; give time.date in the mapping",
    ),
    "a time with a day only": (
        "time,temp\n20 10:00,20.5\n", TIME.replace("iso8601", "%d %H:%M") + TEMPERATURE,
        "time.format: '%d %H:%M' has no complete date",
    ),
    "a time without hours": (
        "time,temp\n10:00,20.5\n", TIME.replace("iso8601", "%M:%S") + TEMPERATURE, "has neither a date nor hours",
    ),
    "two dates": (
        "time,temp\n20.11.2026,20.5\n", TIME.replace("iso8601", "%d.%m.%Y") + "date = 2026-11-20\n" + TEMPERATURE,
        "time.date: the times have a date already",
    ),
    "a date that does not exist": (
        "time,temp\n10:00,20.5\n", TIME.replace("iso8601", "%H:%M") + 'date = "2026-02-29"\n' + TEMPERATURE,
        "time.date: '2026-02-29' is not a date such as",
    ),
    "times without a date, not in order": (
        "time,temp\n10:00,20.5\n09:00,20.6\n", TIME.replace("iso8601", "%H:%M") + "date = 2026-11-20\n" + TEMPERATURE,
        "line 3, column time: '09:00': it is earlier than the time before it, 10:00:00, and without dates",
    ),
    "twelve hours without a.m. or p.m.": (
        "time,temp\n", TIME.replace("iso8601", "%Y-%m-%d %I:%M") + TEMPERATURE, "but no %p",
    ),
    "local times, the clock back": (
        "time,temp\n2026-10-25 02:30:00,20.5\n2026-10-25 02:00:00,20.7\n2026-10-25 02:30:00,20.8\n", TIME + TEMPERATURE,
        "if they are local times and the clock was put back, give time.zone",
    ),
    "seconds for milliseconds": (
        "time,temp\n1795168800,20.5\n", TIME.replace("iso8601", "ms") + TEMPERATURE, "before the year 2000",
    ),
    "the future": ("time,temp\n2262-01-01,20.5\n", TIME + TEMPERATURE, "is in the future"),
    "a pressure in hPa": (
        "time,hPa\n2026-11-20,1013\n", TIME + '[fields]\npressure = "hPa"\n', "no pressure is in the range of the chip",
    ),
    "no value": ("time,temp\n2026-11-20,\n", TIME + TEMPERATURE, "no row has a value"),
    "an unclosed quotation mark": (
        'time,temp\n2026-11-20,20.5\n2026-11-21,"20.5\n2026-11-22,20.5\n', TIME + TEMPERATURE, "line 3: not CSV",
    ),
    "times that are not there": (
        "temp\n20.5\n", "[time]\ninterval_s = 1\n" + TEMPERATURE, "it has no times; give time.start",
    ),
    "a constant name with quotes": (
        "time,temp\n2026-11-20,20.5\n", "sensor = 'the \"big\" greenhouse'\n" + TIME + TEMPERATURE,
        "m.toml: sensor: 'the \"big\" greenhouse' is not a name of 1 to 128 characters",
    ),
    "half a surrogate": (
        '{"timestamp":1795168800000,"temperature":20}\n{"sensor":"lab \\ud83c","timestamp":1795168801000}\n', None,
        "line 2, sensor: '\"lab \\\\ud83c\"' is not a name of 1 to 128",
    ),
    "a key twice": ('{"timestamp":1795168800000,"heading":20,"heading":21}\n', None, "line 1, the line: "),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_mistake_is_one_line_that_names_the_place(tmp_path: Path, case: str) -> None:
    content, mapping, message = REFUSED[case]
    with pytest.raises(UserError) as raised:
        table_of(tmp_path, content, mapping)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_the_zone_of_the_machine_does_not_matter(tmp_path: Path, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for case in ("the name of a zone", "no times"):
            test_a_recording_has_the_right_values(tmp_path, case)
        test_a_mistake_is_one_line_that_names_the_place(tmp_path, "a zone's name alone")
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("time_format", ["%H:%M", "iso8601"])
def test_times_without_a_date_follow_the_first_day(tmp_path: Path, time_format: str) -> None:
    """Across a midnight, and in the night in which the clock is put back."""
    clocks = ("23:30", "02:30", "02:00", "02:30", "03:30", "23:59", "00:01")
    content = "\n".join(["time,temp", *(f"{clock},{number}" for number, clock in enumerate(clocks))])
    mapping = TIME.replace("iso8601", time_format) + 'date = 2026-10-24\nzone = "Europe/Berlin"\n' + TEMPERATURE
    assert [(time[8:16], values["temperature"]) for time, values in rows(table_of(tmp_path, content, mapping))] == [
        ("24T21:30", 0), ("25T00:30", 1), ("25T01:00", 2), ("25T01:30", 3), ("25T02:30", 4), ("25T22:59", 5),
        ("25T23:01", 6),
    ]  # fmt: skip


def test_times_without_a_date_are_played_from_now_on(tmp_path: Path) -> None:
    content = "time,temp\n23:59:50,20\n00:00:10,21\n"
    moments = moments_of(tmp_path, content, TIME.replace("iso8601", "%H:%M:%S") + TEMPERATURE, 2, original=False)
    assert [moment.after_first_ms for moment in moments] == [0, 10_000]


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_repeated_hour_follows_from_the_order(tmp_path: Path, newest_first: bool) -> None:
    lines = [
        f"2026-10-25 {clock}:00,{20 + number}" for number, clock in enumerate(("02:30", "02:45", "02:00", "02:30"))
    ]
    content = "\n".join(["time,temp", *(reversed(lines) if newest_first else lines)])
    table = table_of(tmp_path, content, TIME + 'zone = "Europe/Berlin"\n' + TEMPERATURE)
    assert [(time[11:16], values["temperature"]) for time, values in rows(table)] == [
        ("00:30", 20), ("00:45", 21), ("01:00", 22), ("01:30", 23),
    ]  # fmt: skip


def test_newest_first_is_played_oldest_first(tmp_path: Path) -> None:
    lines = [f"2026-11-20 10:00:{second},20.{second}" for second in (40, 30, 20, 10)]
    moments = moments_of(tmp_path, "\n".join(["time,temp", *lines]), TIME + TEMPERATURE, 10.0, original=False)
    assert [(moment.due_s, moment.after_first_ms) for moment in moments] == [(0, 0), (1, 1000), (2, 2000), (3, 3000)]
    assert [moment.conditions.temperature_c for moment in moments if moment.conditions] == [20.1, 20.2, 20.3, 20.4]


def test_equal_times_can_be_played_from_now(tmp_path: Path) -> None:
    content = "time,temp\n24/11/26 8:59,20.5\n24/11/26 8:59,20.6\n"
    moments = moments_of(
        tmp_path, content, TIME.replace("iso8601", "%d/%m/%y %H:%M") + TEMPERATURE, 1.0, original=False
    )
    assert [moment.conditions.temperature_c for moment in moments if moment.conditions] == [20.5, 20.6]


def test_two_hosts_can_have_the_same_sensor(tmp_path: Path) -> None:
    content = "".join(
        f'{{"sensor":"EnviroPhat","host":"{host}","timestamp":1795168800000,"temperature":20.5}}\n' for host in "ab"
    )
    moments = moments_of(tmp_path, content, None, 1.0, original=True)
    assert [(moment.host, moment.timestamp_ms) for moment in moments] == [("a", 1795168800000), ("b", 1795168800000)]


def test_values_that_are_not_the_boards_are_passed_through(tmp_path: Path) -> None:
    mapping = TIME + TEMPERATURE + '[extra]\nhumidity = "rh"\n'
    (moment,) = moments_of(tmp_path, "time,temp,rh\n2026-11-20,20.5,57\n", mapping, 1.0, original=True)
    assert (moment.fields, moment.extra) == ({"temperature"}, {"humidity": 57})


def test_unused_columns_with_numbers_are_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table_of(tmp_path, "time,temp,rh,note\n2026-11-20,20.5,57,dry\n2026-11-21,20.5,57,dry\n", TIME + TEMPERATURE)
    assert [message.partition(": ")[2] for message in caplog.messages] == ["columns that are not used: rh"]


def test_rows_without_values_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = table_of(tmp_path, "time,temp\n2026-11-20,20.5\n2026-11-21,\n", TIME + TEMPERATURE)
    assert len(rows(table)) == 1
    assert "1 rows have no values and are left out, the first in line 3" in caplog.text


def test_rows_older_than_the_retention_are_a_mistake(tmp_path: Path) -> None:
    table_of(tmp_path, "time,temp\n2022-11-20,20.5\n", TIME + TEMPERATURE)
    recording = open_recording(tmp_path / "r.csv", str(tmp_path / "m.toml"))
    with pytest.raises(UserError, match=r"line 2: the time 2022-11-20T00:00:00Z is older than the 30 days"):
        load(recording, "S", "H", original=True, raw_retention_days=30)
    load(recording, "S", "H", original=False, raw_retention_days=30)
