"""The scheduler's HTTP API and the commands that use it, over a real connection on loopback."""

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cli.main import main
from sensorpi.common.cluster.model import parse
from sensorpi.common.cluster.secrets import SCHEDULER_API, make_key, password
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.mesos.calls import Call
from sensorpi.mesos_node.scheduler.api import ApiServer
from sensorpi.mesos_node.scheduler.api_client import ApiClient, SchedulerUnavailable
from sensorpi.mesos_node.scheduler.core.model import State
from sensorpi.mesos_node.scheduler.core.state_machine import Core
from sensorpi.mesos_node.scheduler.core.view import status
from tests.fakes.clusters import ONE_NODE
from tests.fakes.mesos_events import offer, offers, subscribed, update

TOKEN = "right"


class Scheduler:
    """A core behind an API, with an agent that does at once what it is told."""

    def __init__(self, port: int, token: str) -> None:
        text = f'engine = "mesos"\n{ONE_NODE}memory_mb = 4000\n'
        self.core = Core(parse(text, "c.toml"), State())
        self.core.declare()
        self.core.handle(subscribed(), time.time())
        self.server = ApiServer("127.0.0.1", port, token, self.handle)

    def handle(self, name: str, given: dict[str, Any]) -> Any:
        if name == "log":
            return {"text": f"log of {given['name']} {given['file']}\n"}
        if name == "boom":
            raise RuntimeError("secret detail")
        answer, calls = status(self.core, "m:5050"), list[Call]()
        if name != "status":
            names, calls = self.core.command(name, given, time.time())
            answer = {"workloads": names}
        self.obey([*calls, *self.core.tick(time.time())])
        return answer

    def obey(self, calls: list[Call]) -> None:
        for kind, body in calls:
            if kind == "KILL":
                assert body is not None
                self.core.handle(update(body["task_id"]["value"], "KILLED", "agent-box"), time.time())
        self.core.handle(offers(offer("box", mem=4000)), time.time())
        for each in self.core.state.workloads.values():
            if each.task is not None and each.task.state == "STAGING":
                self.core.handle(update(each.task.id, "RUNNING", "agent-box", healthy=True), time.time())


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler(0, TOKEN)
    yield scheduler
    scheduler.server.close()


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """A node's configuration, whose scheduler answers."""
    key = make_key(tmp_path / "cluster.key")
    scheduler = Scheduler(0, password(key, SCHEDULER_API))
    port = scheduler.server.address[1]
    text = f'engine = "mesos"\n{ONE_NODE}memory_mb = 4000\n[mesos]\napi_port = {port}\n'
    (tmp_path / "cluster.toml").write_text(text)
    (tmp_path / "node").write_text("box\n")
    yield tmp_path
    scheduler.server.close()


def client(scheduler: Scheduler, token: str = TOKEN) -> ApiClient:
    return ApiClient(["127.0.0.1"], scheduler.server.address[1], token)


@pytest.mark.parametrize(
    "header", [None, "right", "Bearer", "Bearer wrong", "Bearer rights", "Basic right", "Bearer é"]
)
def test_without_the_token_nothing_is_answered(scheduler: Scheduler, header: str | None) -> None:
    connection = http.client.HTTPConnection(*scheduler.server.address, timeout=10)
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    connection.request("GET", "/v1/status", headers=headers)
    response = connection.getresponse()
    assert (response.status, list(json.loads(response.read()))) == (401, ["error"])
    connection.close()


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "error"),
    [
        ("GET", "/v1/nothing", None, 404, "Not found"),
        ("GET", "/v1/brokers/start", None, 405, "Method not allowed"),
        ("POST", "/v1/brokers/start", b"{", 400, "the request's body is not a JSON object"),
        ("POST", "/v1/brokers/start", b"[]", 400, "the request's body is not a JSON object"),
        ("POST", "/v1/brokers/start", b"{}", 400, "expected brokers such as 0..2"),
        ("POST", "/v1/brokers/start", b'{"brokers": "9"}', 400, "no broker 9: there are 0"),
        ("POST", "/v1/brokers/restart", b'{"brokers": "0", "timeout_s": "x"}', 400, "timeout_s: expected a number"),
        ("POST", "/v1/brokers/restart", b'{"brokers": "0", "timeout_s": NaN}', 400, "timeout_s: expected a number"),
        ("POST", "/v1/brokers/update", b'{"brokers": "0", "data_host": 5}', 400, "data_host: 5 has the wrong type"),
        ("POST", "/v1/brokers/add", b'{"brokers": "8", "cpus": NaN}', 400, "cpus: expected a number above 0"),
        ("POST", "/v1/brokers/add", b'{"brokers": "8", "jvm_options": "a\\u0000"}', 400, "expected one line of text"),
        ("POST", "/v1/brokers/add", b'{"brokers": "8", "options": "a=\\ud800"}', 400, "expected one line of text"),
        ("GET", "/v1/status?x=%ff", None, 400, "the request's parameters are not UTF-8"),
        ("POST", "/v1/brokers/start", b"[" * 60000, 400, "the request's body is not a JSON object"),
        ("GET", "/v1/brokers/" + "9" * 5000 + "/log", None, 404, "Not found"),
    ],
)
def test_a_mistake_is_answered_with_one_line(
    scheduler: Scheduler, method: str, path: str, body: bytes | None, code: int, error: str
) -> None:
    connection = http.client.HTTPConnection(*scheduler.server.address, timeout=10)
    connection.request(method, path, body, {"Authorization": f"Bearer {TOKEN}"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    assert response.status == code
    assert error in answer["error"]
    connection.close()


def test_without_a_scheduler_it_is_unavailable() -> None:
    with pytest.raises(SchedulerUnavailable, match="does sensorpi-scheduler run there"):
        ApiClient(["127.0.0.1"], 1, TOKEN).get("/v1/status")


def test_the_first_address_that_answers_is_used(scheduler: Scheduler) -> None:
    both = ApiClient(["127.0.0.9", "127.0.0.1"], scheduler.server.address[1], TOKEN)
    assert both.get("/v1/status")["master"] == "m:5050"


def test_a_taken_port_is_a_mistake(scheduler: Scheduler) -> None:
    with pytest.raises(UserError, match="cannot listen on"):
        ApiServer("127.0.0.1", scheduler.server.address[1], TOKEN, lambda _name, _given: {})


def sensorpi(config: Path, *words: str) -> int:
    return main([*words, "--config", str(config)])


def test_a_broker_is_added_started_listed_stopped_and_removed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--cpus", "0.2", "--mem", "400", "--heap", "200", "--constraints", "hostname=like:box"]
    times = ["--stickiness-period", "1m", "--failover-delay", "1s", "--failover-max-delay", "9s"]
    more = [
        "--failover-max-tries",
        "3",
        "--port",
        "31000..31010",
        "--options",
        "num.io.threads=2",
        "--jvm-options=-Xint",
    ]
    assert sensorpi(config, "kafka", "broker", "add", "4..5", *options, *times, *more) == 0
    assert sensorpi(config, "kafka", "broker", "start", "4..5") == 0
    assert capsys.readouterr().out == "add: broker-4, broker-5\nstart: broker-4, broker-5\n"
    assert sensorpi(config, "kafka", "broker", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ID", "STATE", "HOST", "PORT", "CPUS", "MEM", "HEAP"]
    assert lines[2].split() == ["4", "running", "box", "31000", "0.2", "400", "200"]
    assert sensorpi(config, "kafka", "broker", "list", "*[hostname=box]", "--json") == 0
    brokers = json.loads(capsys.readouterr().out)["brokers"]
    assert [(each["id"], each["state"]) for each in brokers] == [(0, "running"), (4, "running"), (5, "running")]
    assert brokers[1]["settings"]["failover_max_delay_s"] == 9
    assert sensorpi(config, "kafka", "broker", "update", "4", "--heap", "") == 0
    assert sensorpi(config, "kafka", "broker", "remove", "4") == 2
    assert "broker-4 is not stopped: stop it first" in capsys.readouterr().err
    assert sensorpi(config, "kafka", "broker", "stop", "4", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"workloads": ["broker-4"], "status": 0}
    assert sensorpi(config, "kafka", "broker", "remove", "4") == 0


def test_a_log_is_printed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sensorpi(config, "kafka", "broker", "log", "0", "--stderr") == 0
    assert sensorpi(config, "job", "log") == 0
    assert sensorpi(config, "job", "log", "spark-worker-0") == 0
    assert capsys.readouterr().out == "log of broker-0 stderr\nlog of job stdout\nlog of spark-worker-0 stdout\n"
    assert sensorpi(config, "job", "log", "spark-../x") == 2
    assert "expected job, or a daemon of Spark" in capsys.readouterr().err


def test_the_job_is_stopped_and_started(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sensorpi(config, "job", "stop") == 0
    assert sensorpi(config, "job", "status") == 1
    assert sensorpi(config, "job", "start") == 0
    assert sensorpi(config, "job", "status") == 0
    assert capsys.readouterr().out == "stop: job\njob: stopped\nstart: job\njob: running on box\n"


def test_a_time_out_has_an_exit_status_of_its_own(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sensorpi(config, "kafka", "broker", "add", "7", "--mem", "99999") == 0
    assert sensorpi(config, "kafka", "broker", "start", "7", "--timeout", "100ms") == ExitCode.TIMED_OUT
    assert "not within 0.1 s: broker-7 waiting (box offers" in capsys.readouterr().err
    assert sensorpi(config, "kafka", "broker", "start", "7", "--timeout", "0") == 0


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["add", "0"], "broker 0 already exists"),
        (["add", "x"], "expected brokers such as"),
        (["add", "8", "--cpus", "many"], '--cpus "many": expected a number'),
        (["add", "8", "--cpus", "nan"], '--cpus "nan": expected a number'),
        (["add", "8", "--heap", "inf"], '--heap "inf": expected a number'),
        (["add", "8", "--heap", "64.5"], '--heap "64.5": expected a whole number'),
        (["add", "8", "--mem", "1e300"], "mem_mb: expected a number above 0, at most 16777216"),
        (["add", "8", "--cpus", "0"], "cpus: expected a number above 0, at most 1024"),
        (["add", "8", "--failover-max-tries=-1"], "failover_max_tries: expected a number from 0, at most"),
        (["add", "8", "--jvm-options", "x" * 70000], "answers 413 Request Entity Too Large without JSON"),
        (["add", "1..900", "--jvm-options=-XX:+" + "x" * 900], "at most 500000 fit in ZooKeeper"),
        (["add", "8", "--constraints", "rack"], "expected a constraint as NAME=VALUE"),
        (["start", "0", "--timeout", "soon"], '"soon": expected a time'),
        (["log", "*[hostname=x]"], "expected one broker"),
    ],
)
def test_a_users_mistake_is_exit_status_2(
    config: Path, capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    assert sensorpi(config, "kafka", "broker", *words) == 2
    assert line in capsys.readouterr().err


def test_a_key_of_another_cluster_is_reported(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config / "cluster.key").unlink()
    make_key(config / "cluster.key")
    assert sensorpi(config, "kafka", "broker", "list") == 2
    assert "the token does not belong to this cluster's key" in capsys.readouterr().err
