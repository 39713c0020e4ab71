"""When a command on the Mesos engine has reached its goal, when it never will, and when the maximum wait is over."""

from typing import Any

import pytest
from pytest_mock import MockerFixture

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.mesos_node.engines.engine import Result
from sensorpi.mesos_node.engines.following import all_in_state, follow, restarted
from sensorpi.mesos_node.scheduler.api_client import ApiClient, SchedulerUnavailable

IDLE: dict[str, Any] = {"brokers": [], "job": None, "spark": [], "restart": None, "last_restart": ""}


def job(state: str, active: bool = True, message: str = "") -> dict[str, Any]:
    """A status of the scheduler, with a job."""
    return IDLE | {"job": {"state": state, "active": active, "message": message, "failures": 0}}


def restart(*queue: str, waiting_for: str = "") -> dict[str, Any]:
    return IDLE | {"restart": {"queue": list(queue), "done": ["broker-0"], "waiting_for": waiting_for}}


@pytest.fixture
def client(mocker: MockerFixture) -> Any:
    """Answers from ``get.side_effect``; the time between two looks is skipped."""
    mocker.patch("time.sleep")
    return mocker.create_autospec(ApiClient, instance=True)


def test_every_change_on_the_way_is_reported_once(client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = job("waiting", message="no offer")
    client.get.side_effect = [waiting, waiting, SchedulerUnavailable("no scheduler answers"), job("running")]
    assert follow(client, ["job"], all_in_state(["job"], "running"), None) == Result(("job",))
    assert capsys.readouterr().err == "job waiting (no offer)\nno scheduler answers\n"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (IDLE, "job was removed"),
        (job("stopped", active=False), "job: it was stopped"),
        (job("stopped", active=False, message="given up after 3 tries"), "job: given up after 3 tries"),
    ],
)
def test_a_goal_out_of_reach_is_a_failure(client: Any, status: dict[str, Any], reason: str) -> None:
    client.get.return_value = status
    result = follow(client, ["job"], all_in_state(["job"], "running"), None)
    assert result == Result(("job",), ExitCode.FAILED, reason)


def test_a_maximum_wait_that_is_over_is_a_time_out(client: Any) -> None:
    client.get.return_value = job("stopping")
    result = follow(client, ["job"], all_in_state(["job"], "stopped"), 0.0)
    assert result == Result(("job",), ExitCode.TIMED_OUT, "not within 0 s: job stopping")


def test_a_restart_is_followed_to_its_end(client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    client.get.side_effect = [restart("broker-1", waiting_for="Kafka does not answer"), restart("broker-1"), IDLE]
    assert follow(client, ["broker-0", "broker-1"], restarted, None).status is ExitCode.OK
    first, second = capsys.readouterr().err.splitlines()
    assert first == "restarting broker-1 (1 of 2 done); waiting: Kafka does not answer"
    assert second == "restarting broker-1 (1 of 2 done)"


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"last_restart_timed_out": True}, ExitCode.TIMED_OUT),
        ({"last_restart_timed_out": False}, ExitCode.FAILED),
        ({}, ExitCode.FAILED),  # of an earlier version
    ],
)
def test_a_restart_that_took_too_long_is_a_time_out(client: Any, more: dict[str, Any], status: ExitCode) -> None:
    client.get.return_value = IDLE | {"last_restart": "the restart ended"} | more
    assert follow(client, ["broker-1"], restarted, None) == Result(("broker-1",), status, "the restart ended")
