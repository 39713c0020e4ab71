"""Waits until the scheduler has reached what a command asked for, and says on the way what is going on."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.mesos_node.scheduler.api_client import ApiClient, SchedulerAway

_LOOK_EVERY_S = 0.5

#: Says of the status whether it is reached: "" for yes, a word for not yet; raises ``Failed`` for never.
Goal = Callable[[dict[str, Any]], str]


class Failed(Exception):
    """What was asked for will not be reached; its text says why."""


def follow(client: ApiClient, goal: Goal, timeout_s: float | None) -> int:
    """Look until the goal is reached, with a line on standard error whenever the word changes; the exit status.

    ``timeout_s`` None waits without limit. A scheduler that does not answer is waited for: another may take over.
    """
    deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
    said = ""
    while True:
        try:
            word = goal(client.get("/v1/status"))
        except SchedulerAway as error:
            word = str(error)
        except Failed as error:
            print(f"sensorpi: {error}", file=sys.stderr)
            return ExitCode.FAILED
        if not word:
            return ExitCode.OK
        if word != said:
            print(word, file=sys.stderr, flush=True)
            said = word
        if deadline_s is not None and time.monotonic() >= deadline_s:
            print(f"sensorpi: not within {timeout_s:g} s: {word}", file=sys.stderr)
            return ExitCode.TIMED_OUT
        time.sleep(_LOOK_EVERY_S)


def all_in_state(names: Sequence[str], wanted: str) -> Goal:
    """The goal that these workloads are ``running`` or ``stopped``."""

    def goal(status: dict[str, Any]) -> str:
        there = {f"broker-{each['id']}": each for each in status["brokers"]}
        if status["job"]:
            there["job"] = status["job"]
        words = []
        for name in names:
            workload = there.get(name)
            if workload is None:
                raise Failed(f"{name} was removed")
            if workload["state"] == wanted:
                continue
            if wanted == "running" and not workload["active"]:
                raise Failed(f"{name}: {workload['message'] or 'it was stopped'}")
            words.append(_word(name, workload))
        return ", ".join(words)

    return goal


def _word(name: str, workload: dict[str, Any]) -> str:
    host = workload["task"]["host"] if "task" in workload else ""
    parts = [f"{name} {workload['state']}", f"on {host}" if host else "", f"({workload['message']})"]
    return " ".join(each for each in parts if each and each != "()")


def restarted(status: dict[str, Any]) -> str:
    """The goal that the rolling restart is over."""
    restart = status["restart"]
    if restart is None:
        if status["last_restart"]:
            raise Failed(status["last_restart"])
        return ""
    done = len(restart["done"])
    waits = f": waiting, {restart['waiting_for']}" if restart["waiting_for"] else ""
    return f"restarting {restart['queue'][0]} ({done} of {done + len(restart['queue'])} done){waits}"
