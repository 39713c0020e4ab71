"""Decides which workload goes onto which agent's offer."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sensorpi.mesos_node.notation.constraints import unmet
from sensorpi.mesos_node.scheduler.core.model import State, Task, Workload
from sensorpi.mesos_node.scheduler.core.needs import Needs, NeedsTable
from sensorpi.mesos_node.scheduler.core.offers import Bundle

_TASK_ID = re.compile(
    r"(broker-\d{1,4}|job|spark-master|spark-worker-\d{1,4})\.([A-Za-z0-9._-]+)\.([0-9a-f]+)", re.ASCII
)


@dataclass(frozen=True)
class Launch:
    """One workload's new task on one agent."""

    workload: Workload
    needs: Needs
    task: Task
    bundle: Bundle


def task_id(name: str, hostname: str, unique: str) -> str:
    """A task's id, which still says what it is and where it runs when the state is lost."""
    return f"{name}.{hostname}.{unique}"


def name_and_host(identifier: str) -> tuple[str, str] | None:
    """The workload and the host in a task's id; None for an id that this scheduler did not make."""
    match = _TASK_ID.fullmatch(identifier)
    return (match[1], match[2]) if match else None


def waiting(state: State, needs: NeedsTable) -> list[tuple[Workload, Needs]]:
    """The workloads that want a task and have none, in the order in which they are placed."""
    return [
        (workload, needs.by_name[workload.name])
        for workload in state.in_order()
        if workload.active and workload.task is None and workload.name in needs.by_name
    ]


def allowed_host(workload: Workload, needs: Needs, now_s: float) -> str | None:
    """The one host on which the workload may run now; None when it may run on several."""
    if needs.home is not None:
        return needs.home
    if workload.data_host is not None:
        return workload.data_host
    return workload.last_host if now_s < sticky_until_s(workload, needs) else None


def sticky_until_s(workload: Workload, needs: Needs) -> float:
    """Until when the workload waits for its last host; 0 when it had none."""
    return workload.last_host_s + needs.stickiness_period_s if workload.last_host is not None else 0.0


def obstacle(workload: Workload, needs: Needs) -> str | None:
    """Why the workload can use no offer, whatever it holds; None when it can."""
    if needs.home is not None and workload.data_host not in (None, needs.home):
        return (
            f"its data is on {workload.data_host}, but cluster.toml puts it on {needs.home}: copy the data or give it "
            f"up, then run `sensorpi kafka broker update {workload.broker_id} --data-host {needs.home}`"
        )
    return None


def place(
    state: State,
    due: Sequence[tuple[Workload, Needs]],
    bundles: Sequence[Bundle],
    now_s: float,
    unique: Callable[[], str],
) -> tuple[list[Launch], dict[str, str]]:
    """Find an agent for each due workload, in order; return the launches, and by name why the others wait.

    What the launches need is taken from the bundles. The state is not changed.
    """
    launches: list[Launch] = []
    reasons: dict[str, str] = {}
    places = [each.task.place for each in state.brokers() if each.task is not None]
    for workload, needs in due:
        complaint = obstacle(workload, needs)
        refusals = [] if complaint is None else [complaint]
        for bundle in bundles if complaint is None else []:
            refusal = _refusal(workload, needs, bundle, places, now_s)
            if refusal is not None:
                refusals.append(refusal)
                continue
            task = _task(workload, needs, bundle, now_s, unique())
            bundle.take(needs.cpus, needs.mem_mb, task.ports)
            launches.append(Launch(workload, needs, task, bundle))
            if workload.broker_id is not None:
                places.append(task.place)
            break
        else:
            if refusals:
                reasons[workload.name] = refusals[0] if len(refusals) == 1 else "; ".join(refusals)
    return launches, reasons


def _refusal(
    workload: Workload, needs: Needs, bundle: Bundle, places: Sequence[dict[str, str]], now_s: float
) -> str | None:
    only = allowed_host(workload, needs, now_s)
    if only is not None and bundle.hostname != only:
        return f"its data is on {only}" if workload.data_host == only else f"it waits for {only}"
    broken = unmet(needs.constraints, bundle.place, places if workload.broker_id is not None else ())
    if broken is not None:
        return f"{bundle.hostname} does not meet {broken}"
    missing = bundle.lacks(needs.cpus, needs.mem_mb, needs.ports)
    if missing is not None:
        return missing
    if needs.port_ranges and bundle.free_port(needs.port_ranges) is None:
        return f"{bundle.hostname} offers none of its ports"
    return None


def _task(workload: Workload, needs: Needs, bundle: Bundle, now_s: float, unique: str) -> Task:
    extra = bundle.free_port(needs.port_ranges) if needs.port_ranges else None
    return Task(
        id=task_id(workload.name, bundle.hostname, unique),
        agent_id=bundle.agent_id,
        hostname=bundle.hostname,
        agent=bundle.agent,
        attributes=dict(bundle.attributes),
        ports=[*needs.ports, *([] if extra is None else [extra])],
        launched_s=now_s,
        needs=needs.fingerprint,
    )
