"""What each status of a task means for its workload.

=====================================  ===============================================================================
STAGING, STARTING, RUNNING, KILLING    noted; RUNNING again after UNREACHABLE is the same task, which never stopped
FINISHED, FAILED, KILLED               ended; a failure unless it was told to end: retried after the doubled delay
DROPPED                                never started, as its offer or agent was gone: retried soon, not a failure
ERROR                                  the master rejects the task: a failure, without data on the host
LOST, GONE, GONE_BY_OPERATOR           ended unobserved: a failure; a broker goes back to its data's host
UNREACHABLE, UNKNOWN                   its agent does not answer: a broker waits for its task, the job starts elsewhere
=====================================  ===============================================================================
"""

import logging
from collections.abc import Mapping
from typing import Any

from sensorpi.mesos_node.mesos.calls import Call, acknowledge, kill, needs_acknowledgement
from sensorpi.mesos_node.scheduler.core.model import RUNNING, UNREACHABLE, State, Task, Workload
from sensorpi.mesos_node.scheduler.core.needs import Needs, NeedsTable
from sensorpi.mesos_node.scheduler.core.placement import name_and_host
from sensorpi.mesos_node.scheduler.core.task_info import KILL_GRACE_S

_log = logging.getLogger(__name__)

_ALIVE = ("STAGING", "STARTING", "RUNNING", "KILLING")
_UNREACHABLE = ("UNREACHABLE", "UNKNOWN")
_ENDED = ("FINISHED", "FAILED", "KILLED", "DROPPED", "ERROR", "LOST", "GONE", "GONE_BY_OPERATOR")

_NEVER_STARTED = ("DROPPED", "ERROR")

#: After a run of this length, the next failure counts as the first again.
_PROVEN_S = 300.0

_MOST_CHARACTERS = 1000

#: Those of hosts that never come back would add up.
_MOST_ORPHANS = 50

#: A launch that did not arrive is retried after this time.
_DROPPED_RETRY_S = 1.0


def update(state: State, status: Mapping[str, Any], needs: NeedsTable, now_s: float) -> list[Call]:
    """Take one status into the state; return the calls to make once the state is stored, the acknowledgement first."""
    calls = [acknowledge(status)] if needs_acknowledgement(status) else []
    task_id = status["task_id"]["value"]
    kind = status["state"].removeprefix("TASK_")
    workload, task = state.find_task(task_id)
    if workload is None or task is None:
        return calls + _unknown_task(state, status, task_id, kind, now_s)
    task.message = _message(status)
    if kind in _ENDED:
        _ended(workload, task, needs.by_name.get(workload.name), kind, now_s)
    elif kind in _UNREACHABLE:
        unreachable(state, workload)
    elif kind in _ALIVE:
        _alive(workload, task, status, kind, now_s)
    return calls


def _message(status: Mapping[str, Any]) -> str:
    """The status's message, of which ZooKeeper has room for the beginning."""
    return str(status.get("message", ""))[:_MOST_CHARACTERS]


def _alive(workload: Workload, task: Task, status: Mapping[str, Any], kind: str, now_s: float) -> None:
    if task.state == UNREACHABLE:
        _log.warning("%s is reachable again: task %s never stopped", workload.name, task.id)
    if kind == RUNNING and task.running_since_s is None:
        task.running_since_s = now_s
        _log.info("%s runs on %s", workload.name, task.hostname)
    task.state = kind
    if "healthy" in status:
        task.healthy = bool(status["healthy"])
    if kind == RUNNING and workload.broker_id is not None:
        workload.data_host = task.hostname
        # Only a broker that listens has certainly formatted its folder.
        workload.has_run = workload.has_run or task.healthy is True


def unreachable(state: State, workload: Workload) -> None:
    """The agent of the workload's task does not answer: a broker waits for its task, the others give it up."""
    task = workload.task
    if task is None:
        return
    if task.state != UNREACHABLE:
        _log.warning("%s: the agent on %s does not answer", workload.name, task.hostname)
    task.state = UNREACHABLE
    if workload.broker_id is None:
        # A job that goes on there does no harm: a reading that is stored twice is the same point. A Spark daemon has
        # fixed ports on its host, so that another one cannot start before this one has ended.
        give_up(state, workload)
        workload.last_host = None


def give_up(state: State, workload: Workload) -> None:
    """Give the workload's task up as lost, if it has one. If the task comes back, it is killed."""
    task, workload.task = workload.task, None
    if task is not None:
        state.orphans[task.id] = task.agent_id
        while len(state.orphans) > _MOST_ORPHANS:
            del state.orphans[next(iter(state.orphans))]
        workload.message = f"the task on {task.hostname} is lost"
        _log.warning("%s: %s", workload.name, workload.message)


def _ended(workload: Workload, task: Task, needs: Needs | None, kind: str, now_s: float) -> None:
    """Forget a task that has ended, and set when the next may start."""
    workload.task = None
    workload.last_task_id, workload.last_agent = task.id, task.agent
    if kind not in _NEVER_STARTED:
        workload.last_host, workload.last_host_s = task.hostname, now_s
    if task.kill_sent_s is not None:
        workload.failures, workload.retry_s, workload.message = 0, now_s, ""
        _log.info("%s has stopped on %s", workload.name, task.hostname)
        return
    detail = "its health check failed" if kind == "KILLED" and task.healthy is False else task.message
    reason = f"{kind.lower()} on {task.hostname}" + (f": {detail}" if detail else "")
    if kind == "DROPPED":
        workload.retry_s, workload.message = now_s + _DROPPED_RETRY_S, reason
        return
    _failed(workload, needs or Needs(0, 0, 0), task, reason, now_s)


def _failed(workload: Workload, needs: Needs, task: Task, reason: str, now_s: float) -> None:
    if task.running_since_s is not None and now_s - task.running_since_s >= _PROVEN_S:
        workload.failures = 0
    workload.failures += 1
    delay_s = needs.delay_s(workload.failures)
    workload.retry_s, workload.message = now_s + delay_s, reason
    if needs.failover_max_tries is not None and workload.failures > needs.failover_max_tries:
        workload.active = False
        workload.message = f"given up after {needs.failover_max_tries} tries: {reason}"
        _log.error("%s: %s", workload.name, workload.message)
    else:
        _log.warning("%s: %s; started again in %g s", workload.name, reason, delay_s)


def _unknown_task(state: State, status: Mapping[str, Any], task_id: str, kind: str, now_s: float) -> list[Call]:
    """A task that belongs to no workload: adopted by the one that lacks it, else killed, so that none runs twice."""
    agent_id = status.get("agent_id", {}).get("value")
    if kind not in _ALIVE:
        if kind in _ENDED:
            state.orphans.pop(task_id, None)
        return []
    workload, hostname = _adopter(state, task_id)
    if workload is None or agent_id is None or task_id in state.orphans:
        if kind != "KILLING":
            _log.warning("Task %s on agent %s is not expected and is killed", task_id, agent_id)
        return [kill(task_id, agent_id, KILL_GRACE_S)]
    workload.task = Task(task_id, agent_id, hostname, launched_s=now_s)
    workload.task.message = _message(status)
    _log.warning("%s: task %s from an earlier time is adopted", workload.name, task_id)
    _alive(workload, workload.task, status, kind, now_s)
    return []


def _adopter(state: State, task_id: str) -> tuple[Workload | None, str]:
    """The workload that an unknown task could belong to, and the host in the task's id."""
    parsed = name_and_host(task_id)
    if parsed is None:
        return None, ""
    name, hostname = parsed
    workload = state.workloads.get(name)
    if workload is None or not workload.active or workload.task is not None:
        return None, hostname
    return (workload if workload.data_host in (None, hostname) else None), hostname
