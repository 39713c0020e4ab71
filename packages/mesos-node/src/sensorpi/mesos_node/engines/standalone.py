"""The operator's commands on the standalone engine: systemd runs this node's broker and job, so they act there."""

import subprocess
from pathlib import Path
from typing import Any

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cluster.identity import identify_or_fail
from sensorpi.common.cluster.model import Cluster
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.notation.expressions import broker_ids

_BROKER_UNIT = "sensorpi-kafka.service"
_JOB_UNIT = "sensorpi-spark-job.service"

_LINES = 100
_ASK_S = 5.0


def brokers(cluster: Cluster, config: Path, expression: str) -> list[dict[str, Any]]:
    """The brokers that the expression names: from cluster.toml, with what Kafka says of each. Raises ``UserError``."""
    ids = range(len(cluster.workers))
    places = {each: {"hostname": cluster.workers[each].name} for each in ids}
    chosen = broker_ids(expression, ids, places)
    present = _registered(cluster)
    return [
        {
            "id": each,
            "state": "unknown" if present is None else "running" if each in present else "down",
            "task": {"host": cluster.workers[each].name, "ports": [cluster.kafka.port]},
            "mem_mb": cluster.kafka.memory_mb,
            "heap_mb": cluster.kafka.heap_mb,
            "controller": each < len(cluster.voters),
            "message": "no broker answers" if present is None else "",
        }
        for each in ids
        if each in chosen
    ]


def _registered(cluster: Cluster) -> set[int] | None:
    from kafka.errors import KafkaError

    from sensorpi.mesos_node.kafka.probe import connect

    try:
        with connect(cluster.bootstrap_servers, _ASK_S) as admin:
            return {each["broker_id"] for each in admin.describe_cluster()["brokers"] if not each["is_fenced"]}
    except KafkaError:
        return None


def command_brokers(
    cluster: Cluster, config: Path, action: str, expression: str, _given: dict[str, Any], timeout_s: float
) -> dict[str, Any]:
    """Start, stop or restart this node's broker. Raises ``UserError`` that says what to do for all else."""
    if action in ("add", "update", "remove"):
        raise UserError(
            'with engine = "standalone" the brokers are the workers of cluster.toml: change it on every node, '
            "then `sensorpi config apply`"
        )
    broker_id = _own(cluster, config, expression, f"kafka broker {action}")
    return _systemctl(action, _BROKER_UNIT, f"broker-{broker_id}", timeout_s)


def broker_log(cluster: Cluster, config: Path, expression: str, *, stderr: bool) -> str:
    """The last lines of this node's broker in the journal. Raises ``UserError``."""
    _own(cluster, config, expression, "kafka broker log")
    return _journal(_BROKER_UNIT)


def job(cluster: Cluster, config: Path) -> dict[str, Any]:
    """What systemd says of the job. Raises ``UserError`` on another node than the job's."""
    _on_spark_node(cluster, config, "job status")
    result = _run("systemctl", "show", "--property=ActiveState,StatusText", _JOB_UNIT)
    shown = dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
    state = {"active": "running", "inactive": "stopped"}.get(shown.get("ActiveState", ""), shown.get("ActiveState", ""))
    return {
        "active": state != "stopped",
        "state": state or "unknown",
        "task": {"host": cluster.spark_node.name},
        "message": shown.get("StatusText", ""),
    }


def command_job(cluster: Cluster, config: Path, action: str, timeout_s: float) -> dict[str, Any]:
    """Start or stop the job. Raises ``UserError`` on another node than the job's."""
    _on_spark_node(cluster, config, f"job {action}")
    return _systemctl(action, _JOB_UNIT, "job", timeout_s)


def job_log(cluster: Cluster, config: Path, task: str, *, stderr: bool) -> str:
    """The last lines of the job in the journal. Raises ``UserError`` on another node than the job's."""
    if task != "job":
        raise UserError(f'"{task}": with engine = "standalone", ask journalctl on its node')
    _on_spark_node(cluster, config, "job log")
    return _journal(_JOB_UNIT)


def _own(cluster: Cluster, config: Path, expression: str, command: str) -> int:
    """The id of this node's broker, which must be the only one that the expression names."""
    workers = cluster.workers
    ids = broker_ids(
        expression, range(len(workers)), {each: {"hostname": workers[each].name} for each in range(len(workers))}
    )
    missing = [str(each) for each in ids if each >= len(workers)]
    if missing or not ids:
        raise UserError(f"no broker {', '.join(missing) or expression}: cluster.toml has {len(workers)}")
    node = identify_or_fail(cluster, config)
    for each in ids:
        if workers[each] != node:
            raise UserError(
                f'broker {each} runs on {workers[each].name}: with engine = "standalone", '
                f"run `sensorpi {command} {each}` there"
            )
    return ids[0]


def _on_spark_node(cluster: Cluster, config: Path, command: str) -> None:
    if identify_or_fail(cluster, config) != cluster.spark_node:
        raise UserError(
            f'the job runs on {cluster.spark_node.name}: with engine = "standalone", run `sensorpi {command}` there'
        )


def _systemctl(action: str, unit: str, name: str, timeout_s: float) -> dict[str, Any]:
    wait = [] if timeout_s > 0 else ["--no-block"]
    result = _run("systemctl", *wait, action, unit, timeout_s=timeout_s or None)
    if result.returncode == _TIMED_OUT:
        return {"workloads": [name], "status": _TIMED_OUT}
    if result.returncode != 0:
        raise UserError(f"systemctl {action} {unit}: {' '.join(result.stderr.split()) or 'it failed'}")
    return {"workloads": [name], "status": 0}


def _journal(unit: str) -> str:
    return _run("journalctl", "--no-pager", "--quiet", f"--lines={_LINES}", f"--unit={unit}").stdout


_TIMED_OUT = ExitCode.TIMED_OUT


def _run(*command: str, timeout_s: float | None = 60.0) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, _TIMED_OUT, "", "")
    except OSError as error:
        raise UserError(f"{command[0]} cannot be run: {error.strerror}") from None
