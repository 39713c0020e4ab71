"""The leading master: frameworks subscribe and make calls, agents register and report their tasks."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from .link import Link
from .model import TERMINAL, Agent, Framework, Json, Task, new_id
from .offers import Offers

#: Ends with None.
Events: TypeAlias = "queue.SimpleQueue[Json | None]"


class Master:
    """The state of one leading master; its methods take its lock."""

    def __init__(
        self,
        info: Json,
        write_registry: Callable[[dict[str, Json]], None],
        ping_timeout_s: float,
        most_missed_pings: int,
        reregister_timeout_s: float,
    ) -> None:
        self.info = info
        self.lock = threading.RLock()
        self.frameworks: dict[str, Framework] = {}
        self.removed: set[str] = set()
        self.agents: dict[str, Agent] = {}
        #: In the registry, but not registered again since this master was elected.
        self.recovered: dict[str, Agent] = {}
        self.unreachable: dict[str, Agent] = {}
        self.tasks: dict[tuple[str, str], Task] = {}
        self.offers = Offers(self)
        self._write_registry = write_registry
        self._ping_timeout_s, self._most_missed_pings = ping_timeout_s, most_missed_pings
        self._reregister_timeout_s = reregister_timeout_s
        self._agent_number = self._framework_number = 0

    def lead(self, registry: dict[str, Json]) -> None:
        """Start with the agents that the last leader knew."""
        with self.lock:
            for identifier, entry in registry.items():
                agent = Agent(identifier, entry["info"], unreachable_ns=entry["unreachable_ns"])
                (self.recovered if agent.unreachable_ns is None else self.unreachable)[identifier] = agent
        for work in (self.offers.run, self._ping):
            threading.Thread(target=work, daemon=True).start()
        timer = threading.Timer(self._reregister_timeout_s, self._give_up_recovered)
        timer.daemon = True
        timer.start()

    # --- frameworks ---

    def subscribe(
        self, info: Json, framework_id: str | None
    ) -> tuple[Framework | None, "queue.SimpleQueue[Json | None]", str]:
        """The framework (None: removed for good), the queue of its events, the id of the stream."""
        events: queue.SimpleQueue[Json | None] = queue.SimpleQueue()
        stream_id = new_id()
        with self.lock:
            if framework_id in self.removed:
                events.put({"type": "ERROR", "error": {"message": "Framework has been removed"}})
                events.put(None)
                return None, events, stream_id
            if framework_id is None:
                framework_id = f"{self.info['id']}-{self._framework_number:04d}"
                self._framework_number += 1
            framework = self.frameworks.setdefault(framework_id, Framework(framework_id, info))
            if framework.removal is not None:
                framework.removal.cancel()
                framework.removal = None
            self.offers.drop_of_framework(framework)
            framework.send({"type": "ERROR", "error": {"message": "Framework failed over"}})
            if framework.events is not None:
                framework.events.put(None)
            framework.info = info
            framework.events, framework.stream_id = events, stream_id
            framework.suppressed, framework.filters = False, []
            framework.send(self._subscribed(framework_id))
        return framework, events, stream_id

    def _subscribed(self, framework_id: str) -> Json:
        subscribed = {
            "framework_id": {"value": framework_id},
            "heartbeat_interval_seconds": 15.0,
            "master_info": {
                name: self.info[name]
                for name in ("id", "ip", "port", "pid", "hostname", "version", "address", "capabilities")
            },
        }
        return {"type": "SUBSCRIBED", "subscribed": subscribed}

    def disconnected(self, framework: Framework, stream_id: str) -> None:
        """Its stream has ended; it may subscribe again within its failover_timeout."""
        with self.lock:
            if framework.stream_id != stream_id or framework.id in self.removed:
                return
            framework.events = framework.stream_id = None
            self.offers.drop_of_framework(framework)
            timeout_s = float(framework.info.get("failover_timeout", 0.0))
            framework.removal = threading.Timer(
                min(timeout_s, threading.TIMEOUT_MAX), self._remove_if_gone, [framework]
            )
            framework.removal.daemon = True
            framework.removal.start()

    def _remove_if_gone(self, framework: Framework) -> None:
        with self.lock:
            if not framework.connected:
                self.remove_framework(framework)

    def remove_framework(self, framework: Framework) -> None:
        """Remove it and end all its tasks."""
        self.removed.add(framework.id)
        self.offers.drop_of_framework(framework)
        for agent in self.agents.values():
            agent.send({"shutdown_framework": framework.id})
        for key in [key for key in self.tasks if key[0] == framework.id]:
            del self.tasks[key]
        self.frameworks.pop(framework.id, None)
        if framework.events is not None:
            framework.events.put(None)
            framework.events = None

    def call(self, framework: Framework, kind: str, body: Json) -> None:
        """Carry out a well-formed call."""
        match kind:
            case "ACCEPT":
                self.offers.accept(framework, body)
            case "DECLINE":
                self.offers.decline(framework, body)
            case "SUPPRESS":
                framework.suppressed = True
            case "REVIVE":
                framework.suppressed, framework.filters = False, []
                self.offers.allocate()
            case "ACKNOWLEDGE":
                self._acknowledge(framework, body)
            case "RECONCILE":
                self._reconcile(framework, body.get("tasks", []))
            case "KILL":
                self._kill(framework, body)
            case "TEARDOWN":
                self.remove_framework(framework)

    def _acknowledge(self, framework: Framework, body: Json) -> None:
        task_id, agent_id = body["task_id"]["value"], body["agent_id"]["value"]
        if agent_id in self.agents:
            self.agents[agent_id].send(
                {"ack": {"framework_id": framework.id, "task_id": task_id, "uuid": body["uuid"]}}
            )
        task = self.tasks.get((framework.id, task_id))
        if task is not None and task.forwarded.get("uuid") == body["uuid"] and task.forwarded["state"] in TERMINAL:
            del self.tasks[framework.id, task_id]

    def _kill(self, framework: Framework, body: Json) -> None:
        task_id = body["task_id"]["value"]
        task = self.tasks.get((framework.id, task_id))
        if task is None:
            self._reconcile(framework, [body])
            return
        order = {"framework_id": framework.id, "task_id": task_id, "kill_policy": body.get("kill_policy")}
        agent = self.agents.get(task.agent_id) or self.unreachable.get(task.agent_id)
        if agent is not None and agent.link is None:
            agent.killed.append(order)
        elif agent is not None:
            agent.send({"kill": order})

    def _reconcile(self, framework: Framework, asked: list[Json]) -> None:
        if not asked:
            asked = [{"task_id": {"value": task}} for owner, task in self.tasks if owner == framework.id]
        for each in asked:
            task_id, agent_id = each["task_id"]["value"], each.get("agent_id", {}).get("value")
            if (task := self.tasks.get((framework.id, task_id))) is not None and task.agent_id not in self.unreachable:
                more = {"healthy": task.healthy, "container_status": task.container_status}
                self._reconciled(framework, task_id, task.state, task.agent_id, "Latest task state", **more)
            elif (agent := self.unreachable.get(task.agent_id if task else agent_id or "")) is not None:
                since = {"unreachable_time": {"nanoseconds": agent.unreachable_ns}}
                self._reconciled(framework, task_id, "TASK_UNREACHABLE", agent.id, "Task is unreachable", **since)
            elif agent_id in self.agents:
                self._reconciled(framework, task_id, "TASK_GONE", agent_id, "Task is unknown to the agent")
            elif agent_id not in self.recovered and not (agent_id is None and self.recovered):
                self._reconciled(framework, task_id, "TASK_UNKNOWN", agent_id, "Task is unknown")

    @staticmethod
    def _reconciled(
        framework: Framework, task_id: str, state: str, agent_id: str | None, text: str, **more: Any
    ) -> None:
        framework.status(task_id, state, agent_id, "REASON_RECONCILIATION", f"Reconciliation: {text}", **more)

    # --- agents ---

    def register(self, link: Link, body: Json) -> Agent:
        """An agent registers, for the first time or again, with the tasks that it runs."""
        with self.lock:
            identifier = body["id"]
            if identifier is None:
                identifier = f"{self.info['id']}-S{self._agent_number}"
                self._agent_number += 1
            for other in [
                a for a in self.agents.values() if a.id != identifier and a.url == Agent("", body["info"]).url
            ]:
                self._remove_agent(other, "TASK_GONE", "a new agent registered at the same address")
            was_unreachable = self.unreachable.pop(identifier, None)
            agent = self.agents.pop(identifier, None) or self.recovered.pop(identifier, None) or was_unreachable
            agent = agent or Agent(identifier, body["info"])
            if agent.link is not None and agent.link is not link:
                agent.link.close()
            agent.info, agent.link, agent.lost_at, agent.missed_pings = body["info"], link, None, 0
            agent.unreachable_ns = None
            self.agents[identifier] = agent
            self._save()
            reported = {(each["framework_id"], each["info"]["task_id"]["value"]) for each in body["tasks"]}
            missing = [key for key, task in self.tasks.items() if task.agent_id == identifier and key not in reported]
            for framework_id, info in body["frameworks"].items():
                if framework_id not in self.removed:
                    self.frameworks.setdefault(framework_id, Framework(framework_id, info))
            link.send({"registered": {"id": identifier, "missing": missing}})
            for each in body["tasks"]:
                self._recover_task(agent, each, was_unreachable is not None)
            for order in agent.killed:
                link.send({"kill": order})
            agent.killed = []
            self.offers.allocate()
            return agent

    def _recover_task(self, agent: Agent, reported: Json, was_unreachable: bool) -> None:
        framework_id = reported["framework_id"]
        if framework_id in self.removed:
            agent.send({"shutdown_framework": framework_id})
            return
        task = Task(reported["info"], framework_id, agent.id)
        task.take(reported["status"] or {}, reported["latest"])
        old = self.tasks.get((framework_id, task.id))
        task.forwarded = old.forwarded if old is not None else {}
        self.tasks[framework_id, task.id] = task
        if was_unreachable:
            more = {"healthy": task.healthy, "container_status": task.container_status}
            message, reason = "Unreachable agent re-reregistered", "REASON_AGENT_REREGISTERED"
            self.frameworks[framework_id].status(task.id, task.state, agent.id, reason, message, **more)

    def update(self, agent: Agent, body: Json) -> None:
        """An agent reports a status, and repeats it until the framework acknowledges it."""
        with self.lock:
            framework_id, status = body["framework_id"], body["status"]
            framework = self.frameworks.get(framework_id)
            task = self.tasks.get((framework_id, status["task_id"]["value"]))
            if framework is None or self.agents.get(agent.id) is not agent:
                return
            if task is not None:
                task.take(status, body["latest"])
                task.forwarded = {"uuid": status.get("uuid"), "state": status["state"]} if framework.connected else {}
            framework.send({"type": "UPDATE", "update": {"status": status}})

    def pong(self, agent: Agent) -> None:
        """The agent has answered a ping."""
        with self.lock:
            agent.missed_pings = 0

    def agent_disconnected(self, agent: Agent, link: Link) -> None:
        """Its connection has ended: its resources are not offered until it is back."""
        with self.lock:
            if agent.link is link:
                agent.link, agent.lost_at = None, time.monotonic()
                self.offers.rescind_of_agent(agent)

    def _ping(self) -> None:
        number = 0
        while True:
            time.sleep(self._ping_timeout_s if number else min(1.0, self._ping_timeout_s))
            number += 1
            with self.lock:
                for agent in list(self.agents.values()):
                    if agent.missed_pings >= self._most_missed_pings:
                        self._mark_unreachable(agent)
                    agent.missed_pings += 1
                    agent.send({"ping": number})

    def _mark_unreachable(self, agent: Agent) -> None:
        agent.unreachable_ns = time.time_ns()
        self.offers.rescind_of_agent(agent)
        self.agents.pop(agent.id, None)
        self.recovered.pop(agent.id, None)
        self.unreachable[agent.id] = agent
        if agent.link is not None:
            agent.link.close()
            agent.link = None
        self._save()
        since = {"unreachable_time": {"nanoseconds": agent.unreachable_ns}}
        self._tell_of_loss(agent, "TASK_UNREACHABLE", "health check timed out", **since)

    def _remove_agent(self, agent: Agent, state: str, message: str) -> None:
        self.offers.rescind_of_agent(agent)
        del self.agents[agent.id]
        self._save()
        self._tell_of_loss(agent, state, message)
        for key in [key for key, task in self.tasks.items() if task.agent_id == agent.id]:
            del self.tasks[key]

    def _tell_of_loss(self, agent: Agent, state: str, message: str, **more: Any) -> None:
        for task in self.tasks.values():
            if task.agent_id == agent.id and task.state not in TERMINAL and task.framework_id in self.frameworks:
                framework = self.frameworks[task.framework_id]
                framework.status(task.id, state, agent.id, "REASON_AGENT_REMOVED", message, **more)
        for framework in self.frameworks.values():
            framework.send({"type": "FAILURE", "failure": {"agent_id": {"value": agent.id}}})

    def _give_up_recovered(self) -> None:
        with self.lock:
            for agent in list(self.recovered.values()):
                self._mark_unreachable(agent)

    def _save(self) -> None:
        known = {**self.recovered, **self.unreachable, **self.agents}
        self._write_registry({a.id: {"info": a.info, "unreachable_ns": a.unreachable_ns} for a in known.values()})

    def state(self) -> Json:
        """The content of /state."""
        with self.lock:
            tasks = list(self.tasks.values())
            frameworks = [
                {
                    "id": each.id,
                    "name": each.info.get("name", ""),
                    "active": each.connected,
                    "connected": each.connected,
                    "tasks": [t.to_state() for t in tasks if t.framework_id == each.id],
                }
                for each in self.frameworks.values()
            ]
            agents = [each.to_state(self.offers.used(each)) for each in self.agents.values()]
            active = sum(each.link is not None for each in self.agents.values())
            return {
                "version": self.info["version"],
                "id": self.info["id"],
                "pid": self.info["pid"],
                "hostname": self.info["hostname"],
                "leader": self.info["pid"],
                "activated_slaves": float(active),
                "deactivated_slaves": float(len(self.agents) - active),
                "unreachable_slaves": float(len(self.unreachable)),
                "slaves": agents,
                "frameworks": frameworks,
                "completed_frameworks": [{"id": each} for each in sorted(self.removed)],
            }
