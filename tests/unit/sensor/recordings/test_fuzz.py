"""Recordings and mappings of any content: rows, or one line."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.sensor.recordings.mapping import parse_mapping
from sensorpi.sensor.recordings.recording import check_recording
from tests.fakes.damage import damaged, refusal

MAPPING = 'colours = "counts"\n[time]\ncolumn = "t"\nformat = "s"\n[fields]\nlightv = "C"\nheading = "H"\n'
CSV = b't,C,H,"a b"\n1,2,3,x\n2,,359.5,"y\nz"\n\n3,4,null,\n'
LINES = (
    b'{"timestamp": 1700000000000, "temperature": 21.5, "sensor": "a", "host": "b", "sequence": 1}\n'
    b'{"timestamp": 1700000000001, "temperature": 21, "motionx": 0.5}\n'
)


def checked(content: bytes, name: str, mapping: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file, map_file = Path(folder) / name, Path(folder) / "map.toml"
        file.write_bytes(content)
        map_file.write_text(mapping or "", encoding="utf-8", errors="replace")
        refusal(lambda: check_recording(file, str(map_file) if mapping is not None else None))


@pytest.mark.fuzz
@given(damaged(CSV))
def test_a_csv_is_rows_or_one_line(content: bytes) -> None:
    checked(content, "a.csv", MAPPING)


@pytest.mark.fuzz
@given(damaged(LINES))
def test_json_lines_are_rows_or_one_line(content: bytes) -> None:
    checked(content, "a.jsonl", None)


@pytest.mark.fuzz
@given(damaged(MAPPING.encode()).map(lambda each: each.decode("utf-8", "replace")), st.just(CSV))
def test_a_mapping_is_read_or_one_line(text: str, content: bytes) -> None:
    checked(content, "a.csv", text)
    refusal(lambda: parse_mapping(text, "m.toml"))
