"""The options of `sensorpi pipeline dashboard`, and its errors when it cannot serve."""

import argparse
import json
import re
import socket
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from pytest_mock import MockerFixture

from sensorpi.common.errors import UserError
from sensorpi.pipeline.dashboard import command as dashboard_command
from sensorpi.pipeline.dashboard.command import PASSWORD_VARIABLE, add_dashboard_command
from sensorpi.pipeline.dashboard.server import serve
from sensorpi.pipeline.influx.client import Endpoint

ROOT = Path(__file__).parents[4]
DASHBOARDS = ROOT / "grafana" / "dashboards"


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add_dashboard_command(parser.add_subparsers())
    options = parser.parse_args(["dashboard", *arguments])
    status: int = options.run(options)
    return status


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture) -> MagicMock:
    """`serve`, as the command calls it."""
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    mocker.patch("sensorpi.common.daemon.service.set_up_logging")
    return mocker.patch.object(dashboard_command, "serve", autospec=True)


def test_it_listens_on_loopback_unless_told_otherwise(served: MagicMock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "from the environment")
    assert run() == 0
    assert served.call_args.kwargs["listen"] == Endpoint("127.0.0.1", 8080)
    assert served.call_args.kwargs["influxdb"] == Endpoint("127.0.0.1", 8086)
    assert served.call_args.kwargs["reader_password"] == "from the environment"
    assert served.call_args.kwargs["default_range"] is None


def test_a_password_file_is_read_without_its_line_end(served: MagicMock, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from the file\n", encoding="utf-8")
    run("--password-file", str(tmp_path / "password"))
    assert served.call_args.kwargs["reader_password"] == "from the file"


@pytest.mark.usefixtures("served")
def test_a_missing_password_is_one_line() -> None:
    with pytest.raises(UserError, match=f"give --password-file FILE or set {PASSWORD_VARIABLE}"):
        run()


@pytest.mark.usefixtures("served")
def test_a_password_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent: cannot read the password"):
        run("--password-file", str(tmp_path / "absent"))


@pytest.mark.parametrize("option", ["--listen", "--influxdb"])
@pytest.mark.parametrize("address", ["8080", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:99999", ":8080"])
@pytest.mark.usefixtures("served")
def test_an_address_that_is_none_is_named(option: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "x")
    with pytest.raises(UserError, match=f"“{address}” is not an address"):
        run(option, address)


def test_the_page_can_open_on_a_recording_s_range(served: MagicMock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "x")
    run("--from", "1624000000000", "--to", "2021-06-19T07:00:00Z")
    assert served.call_args.kwargs["default_range"] == ("1624000000000", "2021-06-19T07:00:00Z")


@pytest.mark.usefixtures("served")
def test_a_range_that_is_none_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "x")
    with pytest.raises(UserError, match="“yesterday” is not a time"):
        run("--from", "yesterday")


@pytest.mark.usefixtures("served")
def test_no_option_takes_a_password() -> None:
    with pytest.raises(SystemExit):
        run("--password", "secret")


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"cannot listen on 127.0.0.1 port {port}: Address already in use"):
            serve(Endpoint("127.0.0.1", port), Endpoint("127.0.0.1", 1), "x", DASHBOARDS)


def test_a_missing_charting_library_names_its_package(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"apt install libjs-chart\.js"):
        serve(Endpoint("127.0.0.1", 0), Endpoint("127.0.0.1", 1), "x", DASHBOARDS, chart_js=tmp_path)


def test_the_manual_page_names_every_option() -> None:
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    add_dashboard_command(subparsers)
    options = re.findall(r"--[a-z-]+", subparsers.choices["dashboard"].format_help())
    manual = (ROOT / "packages/pipeline/man/sensorpi-pipeline-dashboard.1").read_text(encoding="utf-8")
    assert [option for option in set(options) - {"--help"} if option.replace("-", "\\-") not in manual] == []


def test_the_page_uses_no_inline_script_or_style() -> None:
    page = (ROOT / "packages/pipeline/src/sensorpi/pipeline/dashboard/web/index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?://", page) == []


def test_the_files_are_what_json_says() -> None:
    for path in DASHBOARDS.glob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
