"""A part that hangs is killed and restarted, as by systemd's watchdog."""

import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from onebox import process
from onebox.process import PortTaken, Service
from sensorpi.common.errors import UserError
from tests.integration.waiting import wait_until

#: Sends a message to NOTIFY_SOCKET, and hangs.
CHILD = """
import os, socket, sys, time
notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notifications.sendto(sys.argv[1].encode(), "\\0" + os.environ["NOTIFY_SOCKET"][1:])
time.sleep(600)
"""


@pytest.fixture
def services() -> Iterator[list[Service]]:
    services: list[Service] = []
    yield services
    for service in services:
        service.close()


def started(services: list[Service], folder: Path, message: str) -> Service:
    service = Service("part", [sys.executable, "-c", CHILD, message], folder / "part.log", watchdog_s=0.1)
    services.append(service)
    service.start()
    service.wait_until_ready(30, lambda: message == "nothing")
    return service


def test_a_part_that_hangs_is_killed_and_restarted(
    services: list[Service], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = started(services, tmp_path, "READY=1\nWATCHDOG=1")
    first = service.pid
    wait_until(service.watch, "the restart", 30)
    assert service.pid not in (first, None)
    [killed, ended, restarted] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert killed.getMessage().startswith("part has been silent for 0 s and is killed")
    assert "status -9" in ended.getMessage()
    assert restarted.getMessage() == "part was restarted."


def test_a_part_that_never_sent_watchdog_may_be_silent(services: list[Service], tmp_path: Path) -> None:
    service = started(services, tmp_path, "READY=1")
    wait_until(lambda: time.monotonic() - service._alive_at > 0.2, "the time", 5)
    assert not service.watch()
    assert service.pid is not None


def test_a_part_without_a_place_for_its_log_is_restarted_later(
    services: list[Service], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = started(services, tmp_path / "logs", "READY=1")
    (tmp_path / "logs").rename(tmp_path / "elsewhere")
    (tmp_path / "logs").touch()  # in its place
    service.kill()
    wait_until(lambda: service.watch() or "cannot be restarted" in caplog.text, "the attempt", 30)
    assert service.pid is None
    (tmp_path / "logs").unlink()
    wait_until(service.watch, "the restart", 30)
    assert service.pid is not None


def test_a_part_that_ran_long_is_restarted_soon_again(
    services: list[Service], tmp_path: Path, caplog: pytest.LogCaptureFixture, mocker: MockerFixture
) -> None:
    mocker.patch.object(process, "STEADY_S", 0.0)
    service = started(services, tmp_path, "nothing")
    for _ in range(2):
        service.kill()
        wait_until(service.watch, "the restart", 30)
    waits = [record.getMessage().partition("Restarting")[2] for record in caplog.records if "ended" in record.msg]
    assert waits == [" it in 1 s."] * 2


def test_a_child_elsewhere_reports_over_a_socket_with_a_path(services: list[Service], tmp_path: Path) -> None:
    program = CHILD.replace('"\\0" + os.environ["NOTIFY_SOCKET"][1:]', 'os.environ["NOTIFY_SOCKET"]')
    service = Service(
        "part", [sys.executable, "-c", program, "READY=1"], tmp_path / "part.log", notify_socket=tmp_path / "socket"
    )
    services.append(service)
    service.start()
    service.wait_until_ready(30)


def fails_with(services: list[Service], folder: Path, log: str) -> UserError:
    service = Service("kafka", ["sh", "-c", 'printf %s "$1"; exit 1', "sh", log], folder / "kafka.log")
    services.append(service)
    service.start()
    with pytest.raises(UserError) as failed:
        service.wait_until_ready(30)
    return failed.value


def test_a_failed_start_is_one_line_with_its_reason(services: list[Service], tmp_path: Path) -> None:
    noise = "  INFO starting\n" * 20
    failed = fails_with(services, tmp_path, f"{noise}  ERROR no such disk: {'x' * 300}\n{noise}")
    assert not isinstance(failed, PortTaken)
    assert str(failed).startswith("kafka failed to start (status 1): ERROR no such disk: xxx")
    assert str(failed).endswith(f"… (see {tmp_path}/kafka.log)")
    assert "\\n" not in str(failed)
    assert len(str(failed)) < 400


@pytest.mark.parametrize(("log", "reason"), [("", "nothing was logged"), ("a\n b \n\n", "b")])
def test_a_failed_start_without_a_reason(services: list[Service], tmp_path: Path, log: str, reason: str) -> None:
    assert str(fails_with(services, tmp_path, log)).startswith(f"kafka failed to start (status 1): {reason} (see ")


@pytest.mark.parametrize(
    "line",
    [
        "ERROR Unable to start acceptor: failed to bind to 127.0.0.1:7001: Address already in use.",  # Kafka
        "run: open server: listen tcp 127.0.0.1:8086: bind: address already in use",  # InfluxDB
    ],
)
def test_a_taken_port_is_told_from_other_failures(services: list[Service], tmp_path: Path, line: str) -> None:
    failed = fails_with(services, tmp_path, f"ERROR other\n{line}\nERROR later\n")
    assert isinstance(failed, PortTaken)
    assert failed.service == "kafka"
    assert f"status 1): {line} (see" in str(failed)
    assert not isinstance(fails_with(services, tmp_path, "ERROR other\n"), PortTaken)  # the same log file, later
