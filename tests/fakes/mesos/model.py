"""What a master knows of frameworks, agents, tasks and offers, and the statuses that it makes itself."""

import queue
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from .link import Link
from .resources import Resources, from_json

Json = dict[str, Any]

TERMINAL = frozenset(
    f"TASK_{state}"
    for state in ("FINISHED", "FAILED", "KILLED", "ERROR", "LOST", "DROPPED", "GONE", "GONE_BY_OPERATOR")
)

#: A status has its fields in this order.
_ORDER = [
    "task_id",
    "state",
    "message",
    "source",
    "reason",
    "agent_id",
    "executor_id",
    "timestamp",
    "uuid",
    "healthy",
    "container_status",
    "unreachable_time",
]


def ordered_status(fields: Json) -> Json:
    """The fields in the order of a real status, without those that are None."""
    return {name: fields[name] for name in _ORDER if fields.get(name) is not None}


def new_id() -> str:
    """A random UUID."""
    return str(uuid.uuid4())


@dataclass
class Task:
    """A task on an agent, which may be unreachable."""

    info: Json
    framework_id: str
    agent_id: str
    state: str = "TASK_STAGING"
    healthy: bool | None = None
    container_status: Json | None = None
    forwarded: Json = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Its id, unique within the framework."""
        return str(self.info["task_id"]["value"])

    @property
    def resources(self) -> Resources:
        """What it uses; nothing after its end."""
        return Resources() if self.state in TERMINAL else from_json(self.info.get("resources", []))

    def take(self, status: Json, latest: str) -> None:
        """Take a status of the agent's."""
        self.state = latest
        self.healthy = status.get("healthy", self.healthy)
        self.container_status = status.get("container_status", self.container_status)

    def to_state(self) -> Json:
        """Its entry in /state."""
        return {
            "id": self.id,
            "name": self.info.get("name", ""),
            "framework_id": self.framework_id,
            "executor_id": "",
            "slave_id": self.agent_id,
            "state": self.state,
            "resources": from_json(self.info.get("resources", [])).to_state(),
        }


@dataclass
class Offer:
    """Resources of one agent, offered to one framework."""

    id: str
    framework_id: str
    agent_id: str
    resources: Resources


@dataclass
class Framework:
    """A framework, whether or not it is subscribed."""

    id: str
    info: Json
    stream_id: str | None = None
    events: "queue.SimpleQueue[Json | None] | None" = None
    suppressed: bool = False
    #: Agent, what of it was declined, and until when by the monotonic clock.
    filters: list[tuple[str, Resources, float]] = field(default_factory=list)
    removal: threading.Timer | None = None

    @property
    def connected(self) -> bool:
        """Whether it is subscribed."""
        return self.events is not None

    def can(self, capability: str) -> bool:
        """Whether it has that capability."""
        return {"type": capability} in self.info.get("capabilities", [])

    def send(self, event: Json) -> None:
        """Put the event on its stream, if it has one."""
        if self.events is not None:
            self.events.put(event)

    def refuses(self, agent_id: str, resources: Resources) -> bool:
        """Whether it has recently declined as much, or more, of this agent."""
        now = time.monotonic()
        self.filters = [each for each in self.filters if each[2] > now]
        return any(agent == agent_id and declined.contains(resources) for agent, declined, _until in self.filters)

    def status(self, task_id: str, state: str, agent_id: str | None, reason: str, message: str, **more: Any) -> None:
        """Send a status that the master makes, with the state's old name where the framework knows no other."""
        if not self.can("PARTITION_AWARE") and state in (
            *("TASK_DROPPED", "TASK_UNREACHABLE", "TASK_GONE", "TASK_GONE_BY_OPERATOR", "TASK_UNKNOWN"),
        ):
            state = "TASK_LOST"
        fields = {
            "task_id": {"value": task_id},
            "state": state,
            "message": message,
            "source": "SOURCE_MASTER",
            "reason": reason,
            "agent_id": {"value": agent_id} if agent_id else None,
            "timestamp": time.time(),
        }
        self.send({"type": "UPDATE", "update": {"status": ordered_status(fields | more)}})


@dataclass
class Agent:
    """An agent that a master has admitted."""

    id: str
    info: Json
    link: Link | None = None
    #: When it was marked so, in ns since the epoch; None: it is not.
    unreachable_ns: int | None = None
    missed_pings: int = 0
    lost_at: float | None = None
    killed: list[Json] = field(default_factory=list)

    @property
    def total(self) -> Resources:
        """All its resources."""
        return from_json(self.info["resources"])

    @property
    def url(self) -> Json:
        """Its URL as in its offers."""
        address = {"hostname": self.info["hostname"], "ip": self.info["ip"], "port": self.info["port"]}
        return {"scheme": "http", "address": address, "path": "/slave(1)"}

    def send(self, message: Json) -> None:
        """Send to the agent, if it is connected."""
        if self.link is not None:
            self.link.send(message)

    def to_state(self, used: Resources) -> Json:
        """Its entry in /state."""
        return {
            "id": self.id,
            "hostname": self.info["hostname"],
            "port": self.info["port"],
            "pid": f"slave(1)@{self.info['ip']}:{self.info['port']}",
            "attributes": {a["name"]: (a.get("text") or a["scalar"])["value"] for a in self.info["attributes"]},
            "resources": self.total.to_state(),
            "used_resources": used.to_state(),
            "active": self.link is not None,
            "version": "1.11.0",
        }
