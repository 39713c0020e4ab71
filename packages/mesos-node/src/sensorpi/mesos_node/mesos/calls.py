"""The calls of a Mesos framework, each as the arguments of ``SchedulerClient.call``: ``client.call(*revive())``."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: JSON objects in the vocabulary of Mesos's v1 API.
Json = dict[str, Any]

#: Type and body of a call; the client adds the framework's id.
Call = tuple[str, Json | None]

_NANOSECONDS = 1_000_000_000


def accept(offer_ids: Sequence[str], task_infos: Sequence[Json], refuse_s: float | None = None) -> Call:
    """Launch tasks on offers of one agent; what they leave may be offered again after ``refuse_s`` seconds.

    Without ``refuse_s`` the master's default of 5 s applies.
    """
    launch = {"type": "LAUNCH", "launch": {"task_infos": list(task_infos)}}
    return "ACCEPT", {"offer_ids": _values(offer_ids), "operations": [launch], **_filters(refuse_s)}


def decline(offer_ids: Sequence[str], refuse_s: float | None = None) -> Call:
    """Decline offers; their agents' resources are not offered again for ``refuse_s`` seconds (5 by default)."""
    return "DECLINE", {"offer_ids": _values(offer_ids), **_filters(refuse_s)}


def suppress() -> Call:
    """Ask for no more offers."""
    return "SUPPRESS", {}


def revive() -> Call:
    """Ask for offers again, also of what was declined."""
    return "REVIVE", {}


def needs_acknowledgement(status: Mapping[str, Any]) -> bool:
    """Whether the agent repeats this status until it is acknowledged: a status of the master has no ``uuid``."""
    return "uuid" in status and "agent_id" in status


def acknowledge(status: Mapping[str, Any]) -> Call:
    """Confirm a status once it is stored. Only for one that ``needs_acknowledgement``."""
    return "ACKNOWLEDGE", {"agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"]}


def reconcile(tasks: Iterable[tuple[str, str | None]] = ()) -> Call:
    """Ask for the latest status of these tasks, pairs of task id and agent id; without any: of all known tasks.

    A task named here that the master does not know is answered too (TASK_GONE, TASK_UNKNOWN, …).
    """
    named = [{"task_id": _value(task), **({"agent_id": _value(agent)} if agent else {})} for task, agent in tasks]
    return "RECONCILE", {"tasks": named}


def kill(task_id: str, agent_id: str | None = None, grace_s: float | None = None) -> Call:
    """End a task: SIGTERM, and SIGKILL after ``grace_s`` seconds (default: the task's own kill policy, else 3)."""
    body: Json = {"task_id": _value(task_id)}
    if agent_id:
        body["agent_id"] = _value(agent_id)
    if grace_s is not None:
        body["kill_policy"] = {"grace_period": {"nanoseconds": round(grace_s * _NANOSECONDS)}}
    return "KILL", body


def teardown() -> Call:
    """End the framework and all its tasks; its id is never valid again."""
    return "TEARDOWN", None


def _value(identifier: str) -> Json:
    return {"value": identifier}


def _values(identifiers: Sequence[str]) -> list[Json]:
    return [_value(each) for each in identifiers]


def _filters(refuse_s: float | None) -> Json:
    return {} if refuse_s is None else {"filters": {"refuse_seconds": float(refuse_s)}}
