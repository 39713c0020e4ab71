"""The calls that become due with time, not with an event: KILL, RECONCILE, SUPPRESS and REVIVE."""

import math
from collections.abc import Iterable

from sensorpi.mesos_node.mesos.calls import Call, kill, reconcile, revive, suppress
from sensorpi.mesos_node.scheduler.core import rolling
from sensorpi.mesos_node.scheduler.core.model import JOB, RUNNING, UNREACHABLE, State, Task, Workload
from sensorpi.mesos_node.scheduler.core.needs import NeedsTable
from sensorpi.mesos_node.scheduler.core.placement import allowed_host, waiting
from sensorpi.mesos_node.scheduler.core.task_info import KILL_GRACE_S

#: Mesos is asked about its tasks this often while one of them starts, ends or is unreachable, rarely while all run.
_ASK_UNSETTLED_S = 30.0
_ASK_SETTLED_S = 600.0

#: And this often while it has said nothing about one of them in this subscription.
_ASK_SILENT_S = 10.0

#: A kill that has had no effect is sent again.
_KILL_AGAIN_S = KILL_GRACE_S + 30.0


def kills(state: State, needs: NeedsTable, now_s: float) -> list[Call]:
    """KILL for the tasks that should end, noted in the state."""
    calls = []
    for task in _ending(state, needs):
        if task.kill_sent_s is None or now_s >= task.kill_sent_s + _KILL_AGAIN_S:
            task.kill_sent_s = now_s
            calls.append(kill(task.id, task.agent_id, KILL_GRACE_S))
    return calls


def next_kill_s(state: State, needs: NeedsTable) -> float:
    """When a kill is to be sent again; infinity when none is under way."""
    times = [task.kill_sent_s + _KILL_AGAIN_S for task in _ending(state, needs) if task.kill_sent_s is not None]
    return min(times, default=math.inf)


def repeat_kills(state: State, now_s: float) -> None:
    """Have each kill sent again at once: after a lost subscription it may not have arrived."""
    for workload in state.workloads.values():
        if workload.task is not None and workload.task.kill_sent_s is not None:
            workload.task.kill_sent_s = min(workload.task.kill_sent_s, now_s - _KILL_AGAIN_S)


def _ending(state: State, needs: NeedsTable) -> list[Task]:
    """The tasks that should end and can be told to."""
    return [
        workload.task
        for workload in state.workloads.values()
        if workload.task is not None
        and workload.task.state != UNREACHABLE
        and _should_end(state, workload, workload.task, needs)
    ]


def _should_end(state: State, workload: Workload, task: Task, table: NeedsTable) -> bool:
    if not workload.active or rolling.must_end(state, workload):
        return True
    needs = table.by_name.get(workload.name)
    if workload.broker_id is not None or needs is None:
        return False
    # The job and Spark's daemons keep nothing in their processes: a change of cluster.toml takes effect at once.
    return task.hostname != (needs.home or task.hostname) or task.needs not in ("", needs.fingerprint)


class Reconciliation:
    """Asks Mesos for the states of all tasks, from the beginning of a subscription on."""

    def __init__(self) -> None:
        self.next_s = 0.0

    def calls(self, state: State, silence: "Silence", now_s: float) -> list[Call]:
        """RECONCILE, explicit and implicit, when it is due."""
        tasks = [each.task for each in state.workloads.values() if each.task is not None]
        interval_s = _ASK_SETTLED_S
        if any(task.state != RUNNING for task in tasks):
            interval_s = _ASK_UNSETTLED_S
        if any(silence.is_about(task) for task in tasks):
            interval_s = _ASK_SILENT_S
        if interval_s != _ASK_SETTLED_S:
            self.next_s = min(self.next_s, now_s + interval_s)
        if now_s < self.next_s:
            return []
        self.next_s = now_s + interval_s
        explicit = [reconcile([(task.id, task.agent_id) for task in tasks])] if tasks else []
        return [*explicit, reconcile()]


class Silence:
    """The tasks that Mesos has said nothing about since the subscription began.

    After a fail-over, a master neither reports an agent that has not come back nor answers reconciliation for its
    tasks before `agent_reregister_timeout`, which is ten minutes at least. The job does not wait that long.
    """

    def __init__(self, task_ids: Iterable[str], until_s: float) -> None:
        """``until_s`` is when the job's task is given up if nothing was said about it."""
        self._task_ids = set(task_ids)
        self._until_s = until_s

    def heard_of(self, task_id: str) -> None:
        """Mesos has sent a status of this task."""
        self._task_ids.discard(task_id)

    def is_about(self, task: Task) -> bool:
        """Whether nothing was said about this task."""
        return task.id in self._task_ids

    def lost_job_s(self, state: State) -> float:
        """When the job's task is to be given up; infinity if Mesos has reported it, or if there is none."""
        job = state.workloads.get(JOB)
        return self._until_s if job is not None and job.task is not None and self.is_about(job.task) else math.inf


class OfferFlow:
    """Whether Mesos sends offers, which it does from the beginning of a subscription on."""

    def __init__(self) -> None:
        self._suppressed = False
        self._demand: str | None = None

    def calls(self, state: State, needs: NeedsTable, now_s: float) -> list[Call]:
        """SUPPRESS when nothing is wanted, REVIVE when what is wanted has changed."""
        wanted = [
            (workload.name, allowed_host(workload, each, now_s), each.fingerprint, each.constraints.items())
            for workload, each in waiting(state, needs)
            if workload.retry_s <= now_s
        ]
        unreachable = [each.name for each in state.workloads.values() if each.task and each.task.state == UNREACHABLE]
        demand = repr((wanted, unreachable)) if wanted or unreachable else None
        changed, self._demand = demand is not None and demand != self._demand, demand
        if demand is None and not self._suppressed:
            self._suppressed = True
            return [suppress()]
        if changed:
            self._suppressed = False
            return [revive()]
        return []
