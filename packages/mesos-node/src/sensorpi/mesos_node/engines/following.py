"""Waits until the scheduler has done what a command asked for, and reports its progress."""

import time
from collections.abc import Callable, Sequence

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cli.output import complain
from sensorpi.mesos_node.engines.engine import Result, WorkloadState
from sensorpi.mesos_node.engines.scheduler_status import SchedulerStatus, scheduler_status
from sensorpi.mesos_node.scheduler.api_client import ApiClient, SchedulerUnavailable

_LOOK_EVERY_S = 0.5

#: What is still missing from the goal, in a few words; "" when it is reached. Raises ``Unreachable``.
Goal = Callable[[SchedulerStatus], str]


class Unreachable(Exception):
    """The goal will not be reached; the text says why, and ``status`` how the command ends."""

    def __init__(self, reason: str, status: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(reason)
        self.status = status


def follow(client: ApiClient, names: Sequence[str], goal: Goal, wait_s: float | None) -> Result:
    """Wait for a goal of the workloads with these names, with a line on standard error whenever its state changes.

    ``wait_s`` None waits without limit. A scheduler that does not answer is waited for: another may take over.
    """
    workloads = tuple(names)
    deadline_s = None if wait_s is None else time.monotonic() + wait_s
    reported = ""
    while True:
        try:
            missing = goal(scheduler_status(client.get("/v1/status")))
        except SchedulerUnavailable as error:
            missing = str(error)
        except Unreachable as error:
            return Result(workloads, error.status, str(error))
        if not missing:
            return Result(workloads)
        if missing != reported:
            complain(missing)
            reported = missing
        if deadline_s is not None and time.monotonic() >= deadline_s:
            return Result(workloads, ExitCode.TIMED_OUT, f"not within {wait_s:g} s: {missing}")
        time.sleep(_LOOK_EVERY_S)


def all_in_state(names: Sequence[str], wanted: str) -> Goal:
    """The goal that these workloads are ``running`` or ``stopped``."""

    def goal(status: SchedulerStatus) -> str:
        present = {each.name: each for each in (*status.brokers, *([status.job] if status.job else []))}
        missing = []
        for name in names:
            workload = present.get(name)
            if workload is None:
                raise Unreachable(f"{name} was removed")
            if workload.state == wanted:
                continue
            if wanted == "running" and not workload.active:
                raise Unreachable(f"{name}: {workload.message or 'it was stopped'}")
            missing.append(_progress(workload))
        return ", ".join(missing)

    return goal


def _progress(workload: WorkloadState) -> str:
    host = f" on {workload.task.host}" if workload.task else ""
    message = f" ({workload.message})" if workload.message else ""
    return f"{workload.name} {workload.state}{host}{message}"


def restarted(status: SchedulerStatus) -> str:
    """The goal that the rolling restart is over."""
    restart = status.restart
    if restart is None:
        if status.last_restart:
            raise Unreachable(
                status.last_restart, ExitCode.TIMED_OUT if status.last_restart_timed_out else ExitCode.FAILED
            )
        return ""
    done = len(restart.done)
    waiting = f"; waiting: {restart.waiting_for}" if restart.waiting_for else ""
    return f"restarting {restart.queue[0]} ({done} of {done + len(restart.queue)} done){waiting}"
