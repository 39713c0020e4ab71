"""`sensorpi recording check`: what it shows of a recording, and the mappings that it proposes."""

from pathlib import Path

import pytest

from sensorpi.common.cli.main import main
from sensorpi.sensor.recordings.mapping import load_mapping, shipped_mappings
from sensorpi.sensor.recordings.recording import Recording, load, open_recording
from tests.fakes.recordings import write_astro_pi


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["recording", "check", *arguments]) == 0
    return capsys.readouterr().out


def test_it_shows_rows_span_gaps_and_unused_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "r.csv"
    file.write_text("time,temp,note\n2026-11-20 10:00:00,20,x\n2026-11-20 10:00:10,21,\n2026-11-20 10:00:20,21,\n"
                    "2026-11-20 11:00:20,22,\n")  # fmt: skip
    (tmp_path / "m.toml").write_text(
        '[time]\ncolumn = "time"\nformat = "iso8601"\n[fields]\ntemperature = "temp"\n', encoding="utf-8"
    )
    out = check(capsys, str(file), "--map", str(tmp_path / "m.toml"))
    assert "4 rows from 2026-11-20T10:00:00Z to 2026-11-20T11:00:20Z (60.3 min), one every 10 s" in out
    assert "first: line 2: 2026-11-20T10:00:00Z, EnviroPhat on" in out
    assert "last: line 5: 2026-11-20T11:00:20Z" in out
    assert ": temperature 22 °C" in out
    assert "gaps: 1 longer than 30 s\n  1 h from 2026-11-20T10:00:20Z to 2026-11-20T11:00:20Z" in out
    assert "columns not used: note" in out


def test_it_knows_a_shipped_mapping(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--map astro-pi" in check(capsys, str(write_astro_pi(tmp_path / "flight.csv", rows=20)))


LOGS = {
    "a spreadsheet's": (
        "Datum;Uhrzeit;Temperatur (°C);Luftdruck (hPa)\n20.11.2026;10:00;20,5;1013,2\n20.11.2026;10:05;n/a;1013,1\n",
        {"temperature": 20.5, "pressure": 101_320.0},
    ),
    "Fahrenheit and inches": (
        "timestamp,temp_f,pressure_inhg,humidity\n1795168800,68,29.92,40\n1795168860,70,29.92,40\n",
        {"temperature": 20.0, "pressure": 101_320.7481, "humidity": 40},
    ),
    "colours and motion in brackets": (
        'time,rgb,accel,light\n2026-11-20T10:00:00Z,"(84, 94, 77)","(0.1, -0.2, 1.0)",400\n',
        {"lightr": 84, "lightg": 94, "lightb": 77, "motionx": 0.1, "motiony": -0.2, "motionz": 1.0, "lightv": 400},
    ),
    "a zone's name": (
        "time,temp\nMon Aug 24 08:59:54 CEST 2026,20.5\n", {"temperature": 20.5},
    ),
    "kPa, and m/s²": (
        "date,time,press,ax,ay,az\n11/24/2026,1:05:00 PM,101.3,0,0,9.80665\n11/24/2026,1:06:00 PM,101.3,0,0,9.80665\n",
        {"pressure": 101_300, "motionx": 0, "motiony": 0, "motionz": 1},
    ),
    "decimal commas that nothing tells from separators": (
        "time,hPa,temp\n2026-11-20 10:00:00,1013,2,20,5\n2026-11-20 10:00:10,1013,1,20,6\n",
        {"temperature": 20.5, "pressure": 101_320},
    ),
    "a comma in the time": (
        "Time,Temp\n20/11/2026, 10:00:00,20.5\n20/11/2026, 10:00:10,20.6\n", {"temperature": 20.5},
    ),
    "no names": (
        '"20/11/2026 10:00:00",400.0,84,94,77,24.99,101245.5\n', {"temperature": 24.99, "pressure": 101_245.5},
    ),
    "blanks between": ("2026-11-20 10:00:00 20.5 1013.2\n", {"temperature": 20.5, "pressure": 101_320}),
    "a time without a date": ("time,temp\n10:00:01,20.5\n", {"temperature": 20.5}),
    "the library's example": (
        "light\trgb\tmotion\theading\ttemp\tpress\n400.0\t84,94,77\t0.1,-0.2,1.0\t12.5\t20.5\t101320.0\n",
        {"lightv": 400, "lightr": 84, "lightg": 94, "lightb": 77, "motionx": 0.1, "motiony": -0.2, "motionz": 1.0,
         "heading": 12.5, "temperature": 20.5, "pressure": 101_320},
    ),
}  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("log", LOGS)
def test_a_proposed_mapping_reads_the_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], log: str, encoding: str
) -> None:
    content, values = LOGS[log]
    file = tmp_path / "r.csv"
    file.write_bytes(content.encode(encoding))
    (tmp_path / "m.toml").write_text(check(capsys, str(file)), encoding="utf-8")
    recording = Recording(file, load_mapping(str(tmp_path / "m.toml")))
    table = load(recording, "S", "H", original=False)
    assert {name: round(value, 4) for name, value in table.values(table.order[0]).items()} == values


def test_cells_that_no_header_explains_are_no_proposal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.csv").write_text("time,temp,note\n2026-11-20 10:00:00,20,5,a,b\n")
    assert main(["recording", "check", str(tmp_path / "r.csv")]) == 2
    out, complaint = capsys.readouterr()
    assert out == ""
    assert "its rows have 5 cells, but its header 3 names" in complaint


@pytest.mark.parametrize(
    "content",
    [b"", b"x\n", b"\0\0\0\0", b"a,b\n", b'{"a":1}\n', b"\xff\xfe", b'"', b"9" * 200_000, b"a,b\n1" + b",2" * 20_000],
)
def test_what_is_not_a_recording_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (tmp_path / "r.csv").write_bytes(content)
    assert main(["recording", "check", str(tmp_path / "r.csv")]) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert "r.csv" in complaint


def test_a_year_before_1970_is_no_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.csv").write_text("time,temp\n20.11.69 10:00,20.5\n")
    assert "no column has times" in check(capsys, str(tmp_path / "r.csv"))


def test_what_is_not_a_file_is_not_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recording", "check", "/dev/zero"]) == 2
    assert "a recording must be a regular file" in capsys.readouterr().err


ROWS = {
    "sense-hat": "timestamp,temp_h,temp_p,humidity,pressure,accel_x,accel_y,accel_z\n"
    "2026-11-20 10:00:00,21,20,50,1013,0,0,1\n",
    "sense-hat-datetime": "DateTime,Temp_h,Temp_p,Humidity,Pressure,Accel_x,Accel_y,Accel_z\n"
    "2026-11-20,21,20,50,1013,0,0,1\n",
    "sense-emu": "2026-11-20T10:00:00.123456,1013,20,50,21,0,0,1,0,0,0,0,0,0,0,0,0\n",
    "enviro-plus": "timestamp,temperature,pressure,humidity,light\n2026-11-20 10:00:00,20,1013,50,120\n",
    "enviro-phat": "light\trgb\tmotion\theading\ttemp\tpress\n400\t84,94,77\t0,0,1\t12\t20\t101300\n",
    "enviro-phat-csv": "timestamp,light,rgb,motion,temp,press\n2026-11-20T10:00:00.1,400,84,94,77,0,0,1,20,101300\n",
}


@pytest.mark.parametrize("name", sorted(set(shipped_mappings()) - {"astro-pi"}))
def test_a_shipped_mapping_reads_its_log(tmp_path: Path, name: str) -> None:
    (tmp_path / "r.csv").write_text(ROWS[name])
    table = load(open_recording(tmp_path / "r.csv", name), "S", "H", original=False)
    values = table.values(0)
    assert (values["temperature"], values["pressure"]) == (20, 101_300)
    assert values.get("motionz", 1) == 1
