"""Events of a Mesos master for the scheduler's core, with only what its decisions depend on."""

from itertools import count
from typing import Any

FRAMEWORK = "framework-0000"

_numbers = count()


def subscribed(framework_id: str = FRAMEWORK) -> dict[str, Any]:
    """The first event of a subscription."""
    return {"type": "SUBSCRIBED", "subscribed": {"framework_id": {"value": framework_id}}}


def offer(
    host: str,
    *,
    agent: str | None = None,
    cpus: float = 4.0,
    mem: float = 832.0,
    ports: tuple[tuple[int, int], ...] = ((7000, 7001), (31000, 31100)),
    attributes: dict[str, str] | None = None,
) -> dict[str, Any]:
    """One agent's offer; the agent's id follows from the host's name."""
    resources = [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus}, "role": "*"},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": mem}, "role": "*"},
        {
            "name": "ports",
            "type": "RANGES",
            "ranges": {"range": [{"begin": begin, "end": end} for begin, end in ports]},
            "role": "*",
        },
    ]
    words = [{"name": name, "type": "TEXT", "text": {"value": text}} for name, text in (attributes or {}).items()]
    return {
        "id": {"value": f"offer-{next(_numbers)}"},
        "agent_id": {"value": agent or f"agent-{host}"},
        "hostname": host,
        "url": {"address": {"ip": "10.0.1.1", "port": 5051}},
        "resources": resources,
        "attributes": words,
        "allocation_info": {"role": "*"},
    }


def offers(*each: dict[str, Any]) -> dict[str, Any]:
    """An OFFERS event."""
    return {"type": "OFFERS", "offers": {"offers": list(each)}}


def update(
    task_id: str, state: str, agent: str, *, uuid: bool = True, healthy: bool | None = None, message: str = ""
) -> dict[str, Any]:
    """An UPDATE event; with ``uuid`` it must be acknowledged."""
    status: dict[str, Any] = {"task_id": {"value": task_id}, "state": f"TASK_{state}", "agent_id": {"value": agent}}
    if uuid:
        status["uuid"] = f"uuid-{next(_numbers)}"
    if healthy is not None:
        status["healthy"] = healthy
    if message:
        status["message"] = message
    return {"type": "UPDATE", "update": {"status": status}}


def launched(calls: list[Any]) -> dict[str, dict[str, Any]]:
    """The TaskInfos in the calls, by the workload's name."""
    operations = [each for kind, body in calls if kind == "ACCEPT" for each in body["operations"]]
    return {info["name"]: info for each in operations for info in each["launch"]["task_infos"]}


def kinds(calls: list[Any]) -> list[str]:
    """The calls' types in order."""
    return [kind for kind, _ in calls]
