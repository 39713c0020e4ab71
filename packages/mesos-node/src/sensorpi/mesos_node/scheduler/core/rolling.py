"""A rolling restart: one broker after the other, each stopped only while all replicas are in sync."""

import logging
from collections.abc import Sequence

from sensorpi.common.errors import UserError
from sensorpi.mesos_node.scheduler.core.model import RUNNING, RollingRestart, State, Workload

_log = logging.getLogger(__name__)


def begin(state: State, names: Sequence[str], timeout_s: float, now_s: float) -> None:
    """Begin a restart of these brokers; each step may take ``timeout_s``. Raises ``UserError`` during another one."""
    if state.restart is not None:
        raise UserError(f"a restart is in progress: {', '.join(state.restart.queue)} still to do")
    state.last_restart, state.last_restart_timed_out = "", False
    state.restart = RollingRestart(list(names), timeout_s, now_s + timeout_s)


def wants_in_sync(state: State) -> bool:
    """Whether the next step depends on Kafka's replicas."""
    restart = state.restart
    if restart is None:
        return False
    first = state.workloads.get(restart.queue[0])
    if first is None or first.task is None:
        return False
    return not restart.old_task_id or (first.task.id != restart.old_task_id and first.task.state == RUNNING)


def must_end(state: State, workload: Workload) -> bool:
    """Whether it is this workload's turn, and its old task has not ended yet."""
    restart = state.restart
    return (
        restart is not None
        and restart.queue[0] == workload.name
        and workload.task is not None
        and workload.task.id == restart.old_task_id
    )


def advance(state: State, in_sync: str | None, now_s: float) -> None:
    """Take the next step if it is due.

    ``in_sync`` is Kafka's answer: "" when all replicas are in sync, else what is not; None when it was not asked.
    """
    restart = state.restart
    if restart is None:
        return
    workload = state.workloads.get(restart.queue[0])
    if workload is None or not workload.active:
        _end(state, restart, f"{restart.queue[0]} has been stopped")
        return
    if in_sync:
        restart.waiting_for = in_sync
    if workload.task is None and not restart.old_task_id:  # it is down already: it only has to be started
        restart.old_task_id = "none"
        workload.retry_s = min(workload.retry_s, now_s)
    if in_sync == "" and wants_in_sync(state):
        if restart.old_task_id:
            _next(state, restart)
        elif workload.task is not None:
            restart.old_task_id = workload.task.id
            _log.info("%s is restarted", workload.name)
        restart.waiting_for, restart.deadline_s = "", now_s + restart.timeout_s
    elif now_s >= restart.deadline_s:
        detail = restart.waiting_for or ("it has not stopped" if must_end(state, workload) else "it does not run")
        _end(state, restart, f"{workload.name} took more than {restart.timeout_s:g} s: {detail}", timed_out=True)


def _next(state: State, restart: RollingRestart) -> None:
    restart.done.append(restart.queue.pop(0))
    restart.old_task_id = ""
    if not restart.queue:
        _log.info("All restarted: %s", ", ".join(restart.done))
        state.restart = None


def _end(state: State, restart: RollingRestart, reason: str, *, timed_out: bool = False) -> None:
    left = ", ".join(restart.queue)
    state.last_restart = f"the restart was given up with {left} still to do: {reason}"
    state.last_restart_timed_out = timed_out
    _log.error("The restart of brokers was given up with %s still to do: %s", left, reason)
    state.restart = None
