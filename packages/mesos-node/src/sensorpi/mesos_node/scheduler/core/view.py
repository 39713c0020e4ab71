"""What the scheduler's API shows of its state. Nothing here changes it."""

from dataclasses import dataclass
from typing import Any

from sensorpi.common.errors import UserError
from sensorpi.mesos_node.scheduler.core.model import JOB, UNREACHABLE, State, Workload
from sensorpi.mesos_node.scheduler.core.needs import Needs
from sensorpi.mesos_node.scheduler.core.state_machine import Core


def status(core: Core, master: str | None) -> dict[str, Any]:
    """Brokers, the job, Spark's daemons, a restart in progress, and Mesos, as JSON.

    ``master`` is the "host:port" of the Mesos master that the scheduler is subscribed to.
    """
    state = core.state
    return {
        "framework_id": state.framework_id,
        "master": master,
        "brokers": [_broker(each, core) for each in state.brokers()],
        "job": _workload(state.workloads[JOB], core) if JOB in state.workloads else None,
        "spark": [
            {"name": each.name, **_workload(each, core)}
            for each in state.workloads.values()
            if each.is_spark_daemon and (each.active or each.task is not None)
        ],
        "restart": _restart(state),
        "last_restart": state.last_restart,
        "last_restart_timed_out": state.last_restart_timed_out,
        "agents": sorted(core.agents),
    }


def _restart(state: State) -> dict[str, Any] | None:
    restart = state.restart
    if restart is None:
        return None
    return {"queue": list(restart.queue), "done": list(restart.done), "waiting_for": restart.waiting_for}


def _broker(workload: Workload, core: Core) -> dict[str, Any]:
    needs = _needs(workload, core)
    shown = {"id": workload.broker_id, **_workload(workload, core)}
    shown["data_host"] = workload.data_host
    shown["settings"] = {name: value for name, value in vars(workload.settings).items() if value is not None}
    if needs is not None:
        shown |= {"heap_mb": needs.heap_mb, "controller": needs.is_voter}
    return shown


def _workload(workload: Workload, core: Core) -> dict[str, Any]:
    needs, task = _needs(workload, core), workload.task
    shown: dict[str, Any] = {"active": workload.active, "state": _state_of(workload)}
    if needs is not None:
        shown |= {"cpus": needs.cpus, "mem_mb": needs.mem_mb}
    if task is not None:
        shown["task"] = {
            "id": task.id,
            "host": task.hostname,
            "ports": list(task.ports),
            "attributes": dict(task.attributes),
            "healthy": task.healthy,
            "restart_needed": needs is not None and task.needs not in ("", needs.fingerprint),
        }
    why_waiting = core.why_waiting(workload.name) if workload.active and task is None else ""
    shown["message"] = "; ".join(each for each in (workload.message, why_waiting) if each)
    shown["failures"] = workload.failures
    return shown


def _needs(workload: Workload, core: Core) -> Needs | None:
    return core.needs.by_name.get(workload.name)


def _state_of(workload: Workload) -> str:
    """The state in one word: stopped, waiting, starting, running, stopping, unreachable."""
    task = workload.task
    if task is None:
        return "waiting" if workload.active else "stopped"
    if task.state == UNREACHABLE:
        return "unreachable"
    if task.kill_sent_s is not None or not workload.active or task.state == "KILLING":
        return "stopping"
    if task.state != "RUNNING" or (workload.name != JOB and not task.healthy):
        return "starting"
    return "running"


@dataclass(frozen=True)
class LoggedTask:
    """A task whose log can be read: its agent's "host:port", and the ids that Mesos knows it by."""

    agent: str
    framework_id: str
    task_id: str


def logged_task(core: Core, name: str) -> LoggedTask:
    """The present task of that workload, or its last one. Raises ``UserError`` when it has had none."""
    workload = core.state.workloads.get(name)
    if workload is None:
        raise UserError(f"there is no {name}")
    task_id, agent = workload.last_task_id, workload.last_agent
    if workload.task is not None:
        task_id, agent = workload.task.id, workload.task.agent or core.agents.get(workload.task.hostname, "")
    if not task_id:
        raise UserError(f"{name} has not had a task yet")
    if not agent or core.state.framework_id is None:
        raise UserError(f"the agent of task {task_id} is not known yet: try again later")
    return LoggedTask(agent, core.state.framework_id, task_id)
