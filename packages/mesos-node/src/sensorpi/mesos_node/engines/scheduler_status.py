"""Reads what the scheduler's HTTP API says of itself: `GET /v1/status`, as scheduler/core/view.py writes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sensorpi.mesos_node.engines.engine import BrokerDetails, BrokerState, TaskDetails, TaskState, WorkloadState


@dataclass(frozen=True)
class Restart:
    """A rolling restart: the brokers that are to do, the present one first, and those that are done.

    ``waiting_for`` is empty while nothing is in the way.
    """

    queue: tuple[str, ...]
    done: tuple[str, ...]
    waiting_for: str


@dataclass(frozen=True)
class SchedulerStatus:
    """The scheduler's view. ``last_restart`` says why the last restart ended early, and is empty if it did not."""

    brokers: tuple[BrokerState, ...]
    job: WorkloadState | None
    spark: tuple[WorkloadState, ...]
    restart: Restart | None
    last_restart: str
    last_restart_timed_out: bool


def scheduler_status(answer: Mapping[str, Any]) -> SchedulerStatus:
    """The status in the API's JSON."""
    job, restart = answer["job"], answer["restart"]
    return SchedulerStatus(
        tuple(_broker(each) for each in answer["brokers"]),
        None if job is None else WorkloadState(**_workload("job", job)),
        tuple(WorkloadState(**_workload(each["name"], each)) for each in answer["spark"]),
        None if restart is None else Restart(tuple(restart["queue"]), tuple(restart["done"]), restart["waiting_for"]),
        answer["last_restart"],
        answer.get("last_restart_timed_out", False),  # a scheduler of an earlier version does not tell
    )


def _broker(shown: Mapping[str, Any]) -> BrokerState:
    return BrokerState(
        **_workload(f"broker-{shown['id']}", shown),
        id=shown["id"],
        heap_mb=shown.get("heap_mb"),
        controller=shown.get("controller"),
        details=BrokerDetails(shown["data_host"], shown["settings"]),
    )


def _workload(name: str, shown: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a ``WorkloadState``."""
    return {
        "name": name,
        "state": shown["state"],
        "message": shown["message"],
        "active": shown["active"],
        "cpus": shown.get("cpus"),
        "mem_mb": shown.get("mem_mb"),
        "task": _task(shown["task"]) if "task" in shown else None,
        "failures": shown["failures"],
    }


def _task(shown: Mapping[str, Any]) -> TaskState:
    details = TaskDetails(shown["id"], shown["attributes"], shown["healthy"], shown["restart_needed"])
    return TaskState(shown["host"], tuple(shown["ports"]), details)
