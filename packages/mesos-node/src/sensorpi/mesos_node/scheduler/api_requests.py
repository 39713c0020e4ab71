"""What the HTTP API's requests do, on the scheduler's own thread."""

from typing import Any

from sensorpi.common.errors import UserError
from sensorpi.mesos_node.scheduler.core import operations
from sensorpi.mesos_node.scheduler.core.model import Workload
from sensorpi.mesos_node.scheduler.core.state_machine import Core

_RESTART_TIMEOUT_S = 300.0
_LONGEST_S = 1e9


def perform(core: Core, name: str, given: dict[str, Any], now_s: float) -> dict[str, Any]:
    """Do what a request asks for and return the names of the workloads. Raises ``UserError`` for a mistake."""
    subject, _, action = name.partition(" ")
    chosen = _job(core, action) if subject == "job" else _brokers(core, action, given, now_s)
    for each in chosen:
        core.reasons.pop(each.name, None)
    return {"workloads": [each.name for each in chosen]}


def _job(core: Core, action: str) -> list[Workload]:
    job = [operations.job(core.state)]
    (operations.start if action == "start" else operations.stop)(job)
    return job


def _brokers(core: Core, action: str, given: dict[str, Any], now_s: float) -> list[Workload]:
    state, cluster = core.state, core.cluster
    given = dict(given)
    expression = given.pop("brokers", None)
    if not isinstance(expression, str):
        raise UserError("expected brokers such as 0..2")
    if action == "add":
        return operations.add(state, cluster, expression, given)
    if action == "update":
        return operations.update(state, cluster, expression, given)
    if action == "remove":
        return operations.remove(state, cluster, expression)
    if action == "restart":
        timeout_s = given.get("timeout_s", _RESTART_TIMEOUT_S)
        if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or not 0 < timeout_s <= _LONGEST_S:
            raise UserError("timeout_s: expected a number of seconds")
        return operations.restart(state, expression, timeout_s, now_s)
    chosen = operations.select(state, expression)
    (operations.start if action == "start" else operations.stop)(chosen)
    return chosen


def task_of(core: Core, name: str) -> tuple[str, str, str]:
    """Agent address, framework id and task id for a workload's log: of its task, or its last. Raises ``UserError``."""
    workload = core.state.workloads.get(name)
    if workload is None:
        raise UserError(f"there is no {name}")
    task_id, agent = workload.last_task_id, workload.last_agent
    if workload.task is not None:
        known = core.agents.get(workload.task.hostname)
        task_id, agent = workload.task.id, workload.task.agent or (known.agent if known else "")
    if not task_id:
        raise UserError(f"{name} has had no task yet")
    if not agent or core.state.framework_id is None:
        raise UserError(f"the agent of task {task_id} has not been heard of yet")
    return agent, core.state.framework_id, task_id
