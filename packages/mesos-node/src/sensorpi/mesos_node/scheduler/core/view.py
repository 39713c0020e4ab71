"""What the scheduler shows of itself, as JSON."""

from typing import Any

from sensorpi.mesos_node.scheduler.core.model import JOB, UNREACHABLE, State, Workload
from sensorpi.mesos_node.scheduler.core.needs import Needs
from sensorpi.mesos_node.scheduler.core.state_machine import Core


def status(core: Core, master: str | None) -> dict[str, Any]:
    """Everything: brokers, the job, Spark's daemons, the restart that is going on, Mesos."""
    needs = core.needs()
    state = core.state
    return {
        "framework_id": state.framework_id,
        "master": master,
        "brokers": [_broker(each, needs.get(each.name), core) for each in state.brokers()],
        "job": _workload(state.workloads[JOB], needs.get(JOB), core) if JOB in state.workloads else None,
        "spark": [
            {"name": each.name, **_workload(each, needs.get(each.name), core)}
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
    return {"queue": restart.queue, "done": restart.done, "waiting_for": restart.waiting_for}


def _broker(workload: Workload, needs: Needs | None, core: Core) -> dict[str, Any]:
    shown = {"id": workload.broker_id, **_workload(workload, needs, core)}
    shown["data_host"] = workload.data_host
    shown["settings"] = {name: value for name, value in vars(workload.settings).items() if value is not None}
    if needs is not None:
        shown |= {"heap_mb": needs.heap_mb, "controller": needs.is_voter}
    return shown


def _workload(workload: Workload, needs: Needs | None, core: Core) -> dict[str, Any]:
    task = workload.task
    shown: dict[str, Any] = {"active": workload.active, "state": workload_state(workload)}
    if needs is not None:
        shown |= {"cpus": needs.cpus, "mem_mb": needs.mem_mb}
    if task is not None:
        stale = needs is not None and task.needs not in ("", needs.fingerprint)
        shown["task"] = {
            "id": task.id,
            "host": task.hostname,
            "ports": task.ports,
            "attributes": task.attributes,
            "healthy": task.healthy,
            "restart_needed": stale,
        }
    waits = core.reasons.get(workload.name, "") if workload.active and task is None else ""
    shown["message"] = "; ".join(each for each in (workload.message, waits) if each)
    shown["failures"] = workload.failures
    return shown


def workload_state(workload: Workload) -> str:
    """One word: stopped, waiting, starting, running, stopping, unreachable."""
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
