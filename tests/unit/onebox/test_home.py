"""The folder of `make run`: one run at a time."""

import json
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from onebox.home import Home
from sensorpi.common.errors import UserError


def test_a_folder_is_for_one_run_at_a_time(tmp_path: Path) -> None:
    first = Home(tmp_path).lock()
    assert first is not None
    assert Home(tmp_path).lock() is None
    first.close()
    second = Home(tmp_path).lock()
    assert second is not None
    second.close()


def test_what_a_killed_run_left_is_waited_for(tmp_path: Path) -> None:
    killed = subprocess.Popen(["true"])
    killed.wait()
    left = Home(tmp_path).lock()
    assert left is not None
    (tmp_path / "lock").write_text(f"{killed.pid}\n")
    threading.Timer(0.3, left.close).start()
    lock = Home(tmp_path).lock()
    assert lock is not None
    lock.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/run"):
        Home(tmp_path / "file" / "run").lock()


def test_a_relative_folder_is_where_we_are_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENSORPI_RUN", "here")
    assert Home().path == tmp_path / "here"


def test_endpoints_are_for_their_owner_only(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write_endpoints({"a": 1})
    assert stat.S_IMODE(home.endpoints.stat().st_mode) == 0o600
    assert json.loads(home.endpoints.read_text()) == home.read_endpoints() == {"a": 1}
    home.remove_endpoints()
    with pytest.raises(UserError, match="starting or stopping"):
        home.read_endpoints()
