"""The folder of `make run`: one run at a time, and other ports where the usual ones are taken."""

import json
import socket
import stat
import subprocess
import threading
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from onebox.home import USUAL_PORTS, Home, choose_ports
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


def test_a_port_that_the_kernel_repeats_is_not_used_twice(mocker: MockerFixture) -> None:
    socket_of = mocker.patch("onebox.home.socket.socket").return_value.__enter__.return_value
    socket_of.getsockname.side_effect = [("127.0.0.1", port) for port in (1, 1, 2, 2, 1, 3, 4, 5, 6)]
    assert sorted(vars(choose_ports(usual=dict.fromkeys(USUAL_PORTS, 0))).values()) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_is_passed_over(address: str) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, 0))
        listener.listen()
        taken = listener.getsockname()[1]
        ports = choose_ports(usual=dict.fromkeys(USUAL_PORTS, taken))
    assert taken not in vars(ports).values()
    assert len(set(vars(ports).values())) == len(USUAL_PORTS)
