"""Rendered files: whole or not at all, and only where something changed."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorpi.common.errors import UserError
from sensorpi.common.files import render

names = st.text("abcdefgh.", min_size=1, max_size=8).filter(lambda name: name.strip("."))


@settings(deadline=None)  # how long fsync takes is the disk's affair
@given(st.dictionaries(names, st.text()))
def test_rendering_twice_changes_nothing_the_second_time(files: dict[str, str]) -> None:
    with TemporaryDirectory() as directory:
        assert render(files, Path(directory)) == list(files)
        assert render(files, Path(directory)) == []
        assert {path.name: path.read_bytes().decode() for path in Path(directory).iterdir()} == files


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    render({"a": "1", "sub/b": "2"}, tmp_path)
    untouched = (tmp_path / "a").stat().st_ino
    assert render({"a": "1", "sub/b": "3"}, tmp_path) == ["sub/b"]
    assert (tmp_path / "a").stat().st_ino == untouched


def test_a_reader_keeps_the_old_file_whole(tmp_path: Path) -> None:
    render({"a": "old"}, tmp_path)
    with (tmp_path / "a").open() as reader:
        render({"a": "new and longer"}, tmp_path)
        assert reader.read() == "old"


def test_a_rendered_file_is_for_owner_and_group_only(tmp_path: Path) -> None:
    render({"a": "secret"}, tmp_path)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_failure_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"cannot be written: No space left on device$"):
        render({"a": "1"}, tmp_path)
    assert list(tmp_path.iterdir()) == []
