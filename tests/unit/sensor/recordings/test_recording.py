"""Recordings: what is read from CSV and JSON lines, which mistakes are named how, and how rows are played."""

import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.common.errors import UserError
from sensorpi.common.reading import Reading
from sensorpi.sensor.board.driver import EnviroPhat
from sensorpi.sensor.board.emulated.board import EmulatedBoard
from sensorpi.sensor.board.emulated.environment import Moment
from sensorpi.sensor.recordings.conditions import conditions_of, saturated
from sensorpi.sensor.recordings.mapping import load_mapping, parse_mapping, shipped_mappings
from sensorpi.sensor.recordings.recording import check_recording, open_recording
from sensorpi.sensor.recordings.replay import Replay
from sensorpi.sensor.recordings.rows import Row
from sensorpi.sensor.recordings.times import time_reader
from tests.fakes.recordings import write_astro_pi

MAPPING = """
[time]
column = "when"
format = "ms"
[fields]
temperature = "T"
pressure = { column = "P", factor = 100 }
"""


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's set-up waits 0.6 s."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


@pytest.fixture
def map_file(tmp_path: Path) -> str:
    file = tmp_path / "map.toml"
    file.write_text(MAPPING)
    return str(file)


def rows_of(directory: Path, content: str | bytes, mapping: str) -> list[Row]:
    file = directory / "recording.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(open_recording(file, mapping).rows())


def moments_of(
    directory: Path, content: str, mapping: str | None, speed: float | None = 1.0, original: bool = False
) -> list[Moment]:
    file = directory / ("recording.csv" if mapping else "recording.jsonl")
    file.write_text(content)
    return list(Replay(file, mapping, speed, original, "S", "H").moments())


def test_every_row_of_a_flight_recording_is_measured_as_recorded(tmp_path: Path) -> None:
    file = write_astro_pi(tmp_path / "flight.csv", rows=3000)
    board = EmulatedBoard()
    driver = EnviroPhat(board)
    rows = open_recording(file, "astro-pi").rows()
    for moment, row in zip(Replay(file, "astro-pi", None, True, "S", "H").moments(), rows, strict=True):
        board.feel(moment)
        values, recorded = driver.read(), row.values
        assert values["temperature"] == pytest.approx(recorded["temperature"], abs=0.0005)
        assert values["pressure"] == pytest.approx(recorded["pressure"], abs=0.2)
        off = (values["heading"] - recorded["heading"]) % 360
        assert min(off, 360 - off) <= 0.05
        assert values["lightv"] == recorded["lightv"]
        clear = recorded["lightv"]
        for colour in ("lightr", "lightg", "lightb"):
            assert values[colour] == (int(recorded[colour] / clear * 255) if clear else 0)
        for axis in ("motionx", "motiony", "motionz"):
            assert values[axis] == pytest.approx(recorded[axis], abs=0.5 / 16_384)
        assert moment.timestamp_ms == row.time_ms


def test_the_shipped_mapping_knows_the_units_of_the_astro_pi() -> None:
    mapping = load_mapping("astro-pi")
    assert mapping.fields["pressure"].factor == 100
    assert mapping.colours_are_counts
    assert time_reader(mapping.times.format)("2022-01-31 12:21:15").ms == 1_643_631_675_000


@pytest.mark.parametrize(
    "content",
    [
        "when,T,P\n1000,20.5,1000\n2000,21,1001\n",
        "when,T,P\r\n1000,20.5,1000\r\n2000,21,1001\r\n",
        "\ufeffwhen,T,P\n1000,20.5,1000\n2000,21,1001\n",
        '"when","T","P"\n"1000","20.5","1000"\n"2000","21","1001"\n',
        "\nwhen,T,P\n\n1000,20.5,1000\n\n\n2000,21,1001",
        "a,P,b,when,T\nx,1000,y,1000,20.5\n\u00e9,1001,,2000,21\n",
        "when, T ,P\n 1000 , 20.5,1000 \n2000,21,1001,,\n",
    ],
    ids=["plain", "CRLF", "BOM", "quoted", "blank lines", "other columns", "spaces and empty cells"],
)
def test_csv_in_its_usual_shapes(tmp_path: Path, map_file: str, content: str) -> None:
    rows = rows_of(tmp_path, content, map_file)
    assert [(row.time_ms, row.values) for row in rows] == [
        (1000, {"temperature": 20.5, "pressure": 100_000}),
        (2000, {"temperature": 21, "pressure": 100_100}),
    ]


@pytest.mark.parametrize("cell", ["", "null", "NULL", '""'])
def test_an_empty_cell_leaves_the_field_out(tmp_path: Path, map_file: str, cell: str) -> None:
    assert rows_of(tmp_path, f"when,T,P\n1,{cell},1000\n", map_file)[0].values == {"pressure": 100_000}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty; a line of column names was expected"),
        ("when,T\n1,2\n", "line 1: there is no column 'P' among when, T"),
        ("when,T,P\n1,2,3\n2,abc,3\n", "line 3, column T: 'abc' is not a finite number"),
        ("when,T,P\n1,NaN,3\n", "line 2, column T: 'NaN' is not a finite number"),
        ("when,T,P\n1,2,inf\n", "line 2, column P: 'inf' is not a finite number"),
        ("when,T,P\n1,2,1e308\n", "line 2, column P: '1e308' is not a finite number"),
        ("when,T,P\n1,1_0,3\n", "line 2, column T: '1_0' is not a finite number"),
        ("when,T,P\n\nnoon,2,3\n", "line 3, column when: 'noon' is not a time as ms"),
        ("when,T,P\n,2,3\n", "line 2, column when: '' is not a time as ms"),
        ("when,T,P\n1e30,2,3\n", "line 2, column when: '1e30' is not a time as ms"),
        ("when,T,P\nnan,2,3\n", "line 2, column when: 'nan' is not a time as ms"),
        ("when,T,P\n1,2\n", "line 2: the row has 2 cells, its header 3"),
        ('when,T,P\n1,"2,3\n', "line 2: not CSV: a quotation mark is not closed"),
        (b"\x1f\x8b\x08", ": a gzip file: unpack it first"),
        (b"PK\x03\x04\x14", "a zip file or a spreadsheet: unpack it, or save the sheet as CSV"),
        (b"SQLite format 3\0", "an SQLite database: export its table as CSV"),
        ("when,T,P\n1,2,3\n".encode("utf-16")[:-1], "not UTF-16 text after line 1: truncated data"),
        (b"when,T,P\n1,2,3\n2,\xff,3\n", "not UTF-8 text"),
    ],
)
def test_a_mistake_in_csv_is_named(tmp_path: Path, map_file: str, content: str | bytes, message: str) -> None:
    with pytest.raises(UserError) as raised:
        rows_of(tmp_path, content, map_file)
    assert str(raised.value).startswith(str(tmp_path / "recording.csv"))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_header_without_rows_is_a_mistake(tmp_path: Path, map_file: str) -> None:
    with pytest.raises(UserError, match="the recording has no rows"):
        moments_of(tmp_path, "when,T,P\n", map_file)


def test_a_recording_that_is_not_there_is_named(tmp_path: Path, map_file: str) -> None:
    with pytest.raises(UserError, match=r"nowhere.csv: No such file"):
        check_recording(tmp_path / "nowhere.csv", map_file)


@pytest.mark.parametrize(
    ("name", "message"),
    [("mars", r"--map mars: this is neither a shipped mapping \(astro-pi, .*\) nor a file"), (None, "--map must tell")],
)
def test_an_unknown_mapping_is_named(tmp_path: Path, name: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_recording(tmp_path / "recording.csv", name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[time", "not TOML"),
        ("[fields]\ntemperature = 'T'", "time: this table is required"),
        (MAPPING + "humidity = 'H'", "fields.humidity"),
        (MAPPING.replace("factor = 100", "factor = 'x'"), "fields.pressure"),
        ("colours = 'rainbow'\n" + MAPPING, "colours: 'rainbow' is not"),
        ("colours = 'counts'\n" + MAPPING, "map lightv as well"),
        ("[time]\ncolumn='a'\nformat='s'\n[fields]\n", "fields"),
    ],
)
def test_a_mistake_in_a_mapping_is_named(text: str, message: str) -> None:
    with pytest.raises(UserError, match=r"my\.toml: ") as raised:
        parse_mapping(text, "my.toml")
    assert message in str(raised.value)


@pytest.mark.parametrize("name", sorted(shipped_mappings()))
def test_shipped_mappings_are_without_mistakes(name: str) -> None:
    assert load_mapping(name).fields


@pytest.mark.parametrize(
    ("time_format", "cell", "time_ms"),
    [
        ("ms", "1643631675123", 1_643_631_675_123),
        ("s", "1643631675", 1_643_631_675_000),
        ("s", "1643631675.123", 1_643_631_675_123),
        ("iso8601", "2022-01-31T12:21:15Z", 1_643_631_675_000),
        ("iso8601", "2022-01-31 12:21:15.123", 1_643_631_675_123),
        ("iso8601", "2022-01-31T13:21:15+01:00", 1_643_631_675_000),
        ("%d/%m/%Y %H:%M", "31/01/2022 12:21", 1_643_631_660_000),
        ("%Y-%m-%d %H:%M:%S %z", "2022-01-31 13:21:15 +0100", 1_643_631_675_000),
    ],
)
def test_times_in_every_format_are_utc(time_format: str, cell: str, time_ms: int) -> None:
    assert time_reader(time_format)(cell) == (time_ms, time_ms)


def test_sensor_and_host_come_from_columns_or_are_constant(tmp_path: Path) -> None:
    mapping = tmp_path / "map.toml"
    mapping.write_text('host = "attic"\nsensor = { column = "id" }\n' + MAPPING)
    rows = rows_of(tmp_path, "when,T,P,id\n1,2,3,north\n1,2,3,south\n", str(mapping))
    assert [(row.sensor, row.host) for row in rows] == [("north", "attic"), ("south", "attic")]


def test_json_lines_are_the_readings_that_were_published(tmp_path: Path) -> None:
    values = {"temperature": 21.5, "lightv": 1000.0, "lightr": 102.0}
    reading = Reading("garden", "shed", "b", 7, 1_643_631_675_000, values)
    (moment,) = moments_of(tmp_path, reading.to_json().decode(), None, original=True)
    assert (moment.sensor, moment.host, moment.timestamp_ms) == ("garden", "shed", 1_643_631_675_000)
    assert moment.fields == set(values)


def test_json_lines_may_lack_fields_and_names_and_hold_others(tmp_path: Path) -> None:
    lines = '{"timestamp":1,"temperature":null,"pressure":100000,"co2":417}\n\n'
    (moment,) = moments_of(tmp_path, lines, None)
    assert (moment.sensor, moment.host, moment.fields) == ("S", "H", {"pressure"})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1, the line: '{' is not a JSON object"),
        ("[1]", "line 1, the line: '[1]' is not a JSON object"),
        ("{}", "line 1, timestamp: 'None' is not a whole number"),
        ('{"timestamp":"1"}', "timestamp: '1' is not a whole number"),
        ('{"timestamp":true}', "timestamp: 'True' is not a whole number"),
        ('{"timestamp":1,"heading":"north"}', "line 1, heading"),
        ('{"timestamp":1,"heading":true}', "heading: 'true' is not a finite number"),
        ('{"timestamp":1,"heading":NaN}', "the line"),
        ('{"timestamp":1,"heading":1e400}', "heading"),
        ('{"timestamp":1,"sensor":7}', "sensor: '7' is not a name"),
    ],
)
def test_a_mistake_in_json_lines_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        moments_of(tmp_path, line, None)
    assert message in str(raised.value)


@pytest.mark.parametrize("content", ["when,T,P\n1000,2,3\n2000,2,3\n1000,2,4\n", "when,T,P\n1000,2,3\n1000,,3\n"])
def test_a_repeated_time_with_other_values_names_the_line(tmp_path: Path, map_file: str, content: str) -> None:
    last = content.count("\n")
    with pytest.raises(UserError, match=rf"line {last}: S has other values at the same time \(1000 ms.*\) in line 2"):
        moments_of(tmp_path, content, map_file, original=True)


def test_values_that_hash_alike_are_still_other_values(tmp_path: Path, map_file: str) -> None:
    with pytest.raises(UserError, match="other values"):
        moments_of(tmp_path, "when,T,P\n1,-1,1000\n1,-2,1000\n", map_file, original=True)


def test_a_repeated_row_is_left_out_with_one_line(
    tmp_path: Path, map_file: str, caplog: pytest.LogCaptureFixture
) -> None:
    moments = moments_of(tmp_path, "when,T,P\n1,2,900\n2,2,900\n1,2.0,900\n1,2,9e2\n", map_file)
    assert len(moments) == 2
    assert [message for message in caplog.messages if "2 rows repeat an earlier row" in message]
    assert len(caplog.messages) == 1


def test_two_sensors_may_have_the_same_time(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"timestamp": 1, "sensor": name, "heading": 1}) + "\n" for name in "ab")
    assert len(moments_of(tmp_path, lines, None)) == 2


def test_the_span_of_a_recording_in_any_order(tmp_path: Path, map_file: str) -> None:
    (tmp_path / "r.csv").write_text("when,T,P\n5000,2,900\n1000,2,900\n9000,2,900\n3000,2,900\n")
    assert check_recording(tmp_path / "r.csv", map_file, original=False) == (1000, 9000, 4)


def test_values_that_no_chip_can_measure_are_counted_in_one_line(
    tmp_path: Path, map_file: str, caplog: pytest.LogCaptureFixture
) -> None:
    moments_of(tmp_path, "when,T,P\n1,20,1000\n2,99,1000\n3,20,2000\n", map_file)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "2 values are outside the range of the chips" in caplog.text
    assert "line 3, temperature 99 °C (-40 to 85)" in caplog.text


@pytest.mark.parametrize(
    ("values", "outside"),
    [
        ({"temperature": 85.0, "pressure": 30_000.0, "lightv": 65_535.0, "motionx": -2.0, "heading": -700.0}, 0),
        ({"lightv": -1.0}, 1),
        ({"motionz": 2.1, "motionx": 0.0}, 1),
        ({"lightv": 1000.0, "lightr": 300.0}, 0),
        ({"lightv": 65_535.0, "lightr": 300.0}, 1),
    ],
)
def test_what_the_chips_can_measure(values: dict[str, float], outside: int) -> None:
    assert len(saturated(values, colours_are_counts=False)) == outside


@given(clear=st.integers(255, 65_535), colour=st.integers(0, 255))
def test_a_colour_from_0_to_255_survives_the_chip(clear: int, colour: int) -> None:
    felt = conditions_of({"lightv": clear, "lightr": colour}, colours_are_counts=False)
    assert int(felt.red / felt.clear * 255) == colour


@given(counts=st.integers(0, 89), clear=st.integers(1, 89))
def test_a_measured_colour_survives_however_dark_it_is(counts: int, clear: int) -> None:
    colour = int(counts / clear * 255)
    felt = conditions_of({"lightv": clear, "lightr": colour}, colours_are_counts=False)
    assert int(felt.red / felt.clear * 255) == colour


def test_colour_counts_without_a_clear_count_are_left_out(tmp_path: Path) -> None:
    mapping = tmp_path / "map.toml"
    mapping.write_text(
        'colours = "counts"\n[time]\ncolumn = "t"\nformat = "s"\n[fields]\nlightv = "C"\nlightr = "R"\nheading = "H"\n'
    )
    moments = moments_of(tmp_path, "t,C,R,H\n1,,5,1\n2,10,5,1\n", str(mapping))
    assert [moment.fields for moment in moments] == [{"heading"}, {"heading", "lightv", "lightr"}]


def played(moments: list[Moment]) -> list[tuple[float, Any, Any]]:
    return [(moment.due_s, moment.timestamp_ms, moment.after_first_ms) for moment in moments]


def test_original_times_are_kept_in_the_order_of_time(tmp_path: Path, map_file: str) -> None:
    start = 1_643_631_675_000
    content = f"when,T,P\n{start + 4000},2,900\n{start},2,900\n{start + 8000},2,900\n"
    assert played(moments_of(tmp_path, content, map_file, 2.0, original=True)) == [
        (0, start, None), (2, start + 4000, None), (4, start + 8000, None),
    ]  # fmt: skip


def test_now_keeps_the_spacing_divided_by_the_speed(tmp_path: Path, map_file: str) -> None:
    content = "when,T,P\n5000,2,900\n10000,2,900\n10004,2,900\n"
    assert played(moments_of(tmp_path, content, map_file, 4.0)) == [
        (0, None, 0),
        (1.25, None, 1250),
        (1.251, None, 1251),
    ]


def test_at_full_speed_rows_are_due_at_once(tmp_path: Path, map_file: str) -> None:
    moments = moments_of(tmp_path, "when,T,P\n5000,2,900\n10000,2,900\n", map_file, None)
    assert played(moments) == [(0, None, 0), (0, None, 0)]
    assert [moment.environment_s for moment in moments] == [0, 5]


def test_the_mapping_in_the_documentation_is_without_mistakes() -> None:
    text = (Path(__file__).parents[4] / "docs/sensor.md").read_text(encoding="utf-8")
    example = text.split("```toml\n")[1].split("```")[0]
    assert parse_mapping(example, "docs/sensor.md").fields.keys() == {"temperature", "pressure", "lightr"}
