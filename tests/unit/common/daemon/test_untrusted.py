"""State files of any content: the value, or one line and none."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.common.daemon.untrusted import load, parse_json
from sensorpi.common.files import render
from tests.fakes.damage import DAMAGES, JSON_VALUES, put


def number(text: str) -> int:
    value = parse_json(text)["number"]
    if type(value) is not int:
        raise TypeError
    return value


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: repr(damage[:12]))
def test_damage_is_set_aside_with_one_line(
    tmp_path: Path, damage: bytes | str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "state.json"
    put(file, damage)
    assert load(file, number) is None
    assert not file.exists()
    assert [each.name for each in tmp_path.iterdir()] == ["state.json.damaged"]
    assert len(caplog.messages) == 1
    assert "\n" not in caplog.messages[0]
    put(file, damage)
    assert load(file, number) is None  # what was set aside before is replaced
    render({file.name: '{"number": 3}'}, tmp_path)
    assert load(file, number) == 3


def test_no_file_is_no_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load(tmp_path / "state.json", number) is None
    assert not caplog.messages


def test_a_folder_in_a_files_place_does_not_stop_writing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a/inside").mkdir(parents=True)
    assert render({"a": "1"}, tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "1"
    assert (tmp_path / "a.damaged/inside").is_dir()
    assert len(caplog.messages) == 1


@given(st.one_of(st.text(), JSON_VALUES.map(json.dumps)))
def test_json_is_a_value_or_a_value_error(text: str) -> None:
    try:
        value = parse_json(text)
    except ValueError:
        return
    assert json.loads(json.dumps(value, allow_nan=False)) == value
