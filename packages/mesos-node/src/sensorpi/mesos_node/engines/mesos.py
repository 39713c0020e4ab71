"""The operator's commands on the Mesos engine: they go to the scheduler, wherever it leads."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sensorpi.common.cli.slowness import report_when_slow
from sensorpi.common.cluster.model import Cluster
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.engines.following import all_in_state, follow, restarted
from sensorpi.mesos_node.notation.expressions import broker_ids
from sensorpi.mesos_node.scheduler.api_client import ApiClient, SchedulerAway, api_client


def brokers(cluster: Cluster, config: Path, expression: str) -> list[dict[str, Any]]:
    """The brokers that the expression names, as the scheduler knows them. Raises ``UserError``."""
    known: list[dict[str, Any]] = _status(api_client(cluster, config))["brokers"]
    chosen = broker_ids(expression, [each["id"] for each in known], {each["id"]: _place(each) for each in known})
    return [each for each in known if each["id"] in chosen]


def _place(broker: dict[str, Any]) -> dict[str, str]:
    task = broker.get("task")
    if task:
        return {**task["attributes"], "hostname": task["host"]}
    return {"hostname": broker["data_host"]} if broker.get("data_host") else {}


def command_brokers(
    cluster: Cluster, config: Path, action: str, expression: str, given: dict[str, Any], timeout_s: float
) -> dict[str, Any]:
    """Have the scheduler do it, wait until it is done, and return the workloads' names and the status to exit with."""
    client = api_client(cluster, config)
    body = {"brokers": expression, **given, **({"timeout_s": timeout_s} if action == "restart" else {})}
    return _command(client, f"/v1/brokers/{action}", body, action, timeout_s)


def broker_log(cluster: Cluster, config: Path, expression: str, *, stderr: bool) -> str:
    """The last lines that one broker's task has written. Raises ``UserError``."""
    client = api_client(cluster, config)
    known = [each["id"] for each in _status(client)["brokers"]]
    ids = broker_ids(expression, known)
    if len(ids) != 1:
        raise UserError(f'"{expression}": expected one broker')
    return _log(client, f"/v1/brokers/{ids[0]}/log", stderr)


def job(cluster: Cluster, config: Path) -> dict[str, Any]:
    """The job as the scheduler knows it, with Spark's daemons under ``spark``. Raises ``UserError``."""
    status = _status(api_client(cluster, config))
    if status["job"] is None:
        raise UserError("the scheduler knows of no job yet")
    return {**status["job"], "spark": status["spark"]}


def command_job(cluster: Cluster, config: Path, action: str, timeout_s: float) -> dict[str, Any]:
    """Start or stop the job, as ``command_brokers`` does."""
    return _command(api_client(cluster, config), f"/v1/job/{action}", {}, action, timeout_s)


def job_log(cluster: Cluster, config: Path, task: str, *, stderr: bool) -> str:
    """The last lines that the job's task, or a daemon of Spark, has written. Raises ``UserError``."""
    kind, _, rest = task.partition("-")
    if task != "job" and (kind != "spark" or re.fullmatch(r"[a-z0-9-]+", rest) is None):
        raise UserError(f'"{task}": expected job, or a daemon of Spark that `sensorpi job status` shows')
    return _log(api_client(cluster, config), f"/v1/{task.replace('-', '/', 1)}/log", stderr)


def _command(client: ApiClient, path: str, body: dict[str, Any], action: str, timeout_s: float) -> dict[str, Any]:
    names: Sequence[str] = _answer(lambda: client.post(path, body))["workloads"]
    status = 0
    if action == "restart":
        status = follow(client, restarted, None)
    elif action in ("start", "stop") and timeout_s > 0:
        status = follow(client, all_in_state(names, "running" if action == "start" else "stopped"), timeout_s)
    return {"workloads": list(names), "status": status}


def _status(client: ApiClient) -> dict[str, Any]:
    return _answer(lambda: client.get("/v1/status"))


def _log(client: ApiClient, path: str, stderr: bool) -> str:
    text: str = _answer(lambda: client.get(path, file="stderr" if stderr else "stdout"))["text"]
    return text


def _answer(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        with report_when_slow("the scheduler"):
            return ask()
    except SchedulerAway as error:
        raise UserError(str(error)) from None
