"""The TaskInfo with which Mesos launches a workload's task."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sensorpi.common.daemon.service import HEARTBEAT
from sensorpi.mesos_node.scheduler.core.model import JOB, SPARK_MASTER, Task, Workload
from sensorpi.mesos_node.scheduler.core.needs import Needs
from sensorpi.mesos_node.scheduler.core.offers import Bundle

#: The launcher gives the JVM 60 s, Mesos a little more.
KILL_GRACE_S = 75.0

#: A broker's port opens after the recovery of its log, which takes minutes on a Pi with a full card.
_HEALTH_GRACE_S = 900.0

#: The job's watchdog, as systemd's is on the standalone engine: after the first heartbeat the next ones may not be more
#: than three minutes apart, the last minute being that of six failed checks. The first heartbeat comes when the stream
#: flows, so that a job may wait for Kafka without limit.
_HEART_BEATS = f'! find "$MESOS_SANDBOX/{HEARTBEAT}" -mmin +2 2>/dev/null | grep -q .'

_SPARK = "/usr/share/sensorpi-spark"


@dataclass(frozen=True)
class Programs:
    """The tasks' commands and users, the same on every agent. A user of None is the framework's."""

    config: str = "/run/sensorpi"
    broker: tuple[str, ...] = ("sensorpi", "kafka", "run")
    job: tuple[str, ...] = ("sensorpi", "pipeline", "job")
    broker_user: str | None = "sensorpi-kafka"
    job_user: str | None = "sensorpi-job"
    spark: tuple[str, ...] = ("sensorpi", "spark")
    spark_user: str | None = "sensorpi-spark"


def task_info(workload: Workload, needs: Needs, task: Task, bundle: Bundle, programs: Programs) -> dict[str, Any]:
    """The TaskInfo for a task that has been placed on the offers of a bundle."""
    broker_id = workload.broker_id
    info: dict[str, Any] = {
        "name": workload.name,
        "task_id": {"value": task.id},
        "agent_id": {"value": task.agent_id},
        "resources": _resources(needs, task.ports, bundle.role),
        "kill_policy": {"grace_period": {"nanoseconds": round(KILL_GRACE_S * 1_000_000_000)}},
    }
    spark = {"SPARK_HOME": _SPARK, "PYTHONPATH": f"{_SPARK}/python", **_environment(programs)}
    if workload.name == JOB:
        info["command"] = _command(programs.job, programs.job_user, spark)
        check: dict[str, Any] = {"type": "COMMAND", "command": {"shell": True, "value": _HEART_BEATS}}
    else:
        # Liveness only. A broker must not be killed for a missing quorum, and a voter's controller listens before the
        # quorum is complete; the page of Spark's worker answers before the worker has found the master.
        check = {"type": "TCP", "tcp": {"port": task.ports[-1]}}
        if broker_id is None:
            role = "master" if workload.name == SPARK_MASTER else "worker"
            words = [*programs.spark, role, "--node", task.hostname]
            info["command"] = _command(words, programs.spark_user, spark)
        else:
            words = [*programs.broker, *_broker_options(workload, broker_id, needs, task)]
            info["command"] = _command(words, programs.broker_user, _environment(programs))
    info["health_check"] = {
        **check,
        "delay_seconds": 5,
        "interval_seconds": 10,
        "timeout_seconds": 10,
        "consecutive_failures": 6,
        "grace_period_seconds": _HEALTH_GRACE_S,
    }
    return info


def _broker_options(workload: Workload, broker_id: int, needs: Needs, task: Task) -> list[str]:
    words = ["--id", str(broker_id)]
    if not needs.is_voter:
        words += ["--port", str(task.ports[0])]
    words += ["--heap", str(needs.heap_mb)]
    for name, value in needs.options.items():
        words += ["--set", f"{name}={value}"]
    if needs.jvm_options:
        words.append(f"--jvm-options={needs.jvm_options}")
    if workload.has_run:
        words.append("--has-run")
    return words


def _environment(programs: Programs) -> dict[str, str]:
    return {"SENSORPI_CONFIG": programs.config, "PYTHONDONTWRITEBYTECODE": "1"}


def _command(words: Sequence[str], user: str | None, environment: Mapping[str, str]) -> dict[str, Any]:
    variables = [{"name": name, "value": value} for name, value in environment.items()]
    command: dict[str, Any] = {
        "shell": True,
        "value": f"exec {shlex.join(words)}",
        "environment": {"variables": variables},
    }
    return command if user is None else {**command, "user": user}


def _resources(needs: Needs, ports: Sequence[int], role: str) -> list[dict[str, Any]]:
    allocated = {"allocation_info": {"role": role}}
    resources: list[dict[str, Any]] = [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": needs.cpus}, **allocated},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": float(needs.mem_mb)}, **allocated},
    ]
    if ports:
        ranges = [{"begin": port, "end": port} for port in sorted(ports)]
        resources.append({"name": "ports", "type": "RANGES", "ranges": {"range": ranges}, **allocated})
    return resources
