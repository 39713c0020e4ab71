"""Offers: made fairly of what agents have left, not soon again after a DECLINE; accepted, declined, rescinded."""

import threading
import time
from typing import TYPE_CHECKING

from .model import Agent, Framework, Json, Offer, Task
from .resources import Resources, described, from_json

if TYPE_CHECKING:
    from .master import Master

#: What a DECLINE or an ACCEPT without filters means.
_DEFAULT_REFUSE_S = 5.0


class Offers:
    """The outstanding offers of one master; the master's lock protects them."""

    def __init__(self, master: "Master") -> None:
        self._master = master
        self._offers: dict[str, Offer] = {}
        self._number = 0
        self.interval_s = 1.0

    def run(self) -> None:
        """Offer at intervals what has become free."""
        pause = threading.Event()
        while not pause.wait(self.interval_s):
            with self._master.lock:
                self.allocate()

    def allocate(self) -> None:
        """Offer everything that is free."""
        made: dict[str, list[Json]] = {}
        for agent in self._master.agents.values():
            free = agent.total - self.used(agent) - self._offered(agent)
            willing = [
                framework
                for framework in self._master.frameworks.values()
                if framework.connected and not framework.suppressed and not framework.refuses(agent.id, free)
            ]
            if agent.link is not None and free.allocatable and willing:
                framework = min(willing, key=self._share)
                made.setdefault(framework.id, []).append(self._offer(framework, agent, free))
        for framework_id, offers in made.items():
            self._master.frameworks[framework_id].send({"type": "OFFERS", "offers": {"offers": offers}})

    def _offer(self, framework: Framework, agent: Agent, free: Resources) -> Json:
        offer = Offer(f"{self._master.info['id']}-O{self._number}", framework.id, agent.id, free)
        self._number += 1
        self._offers[offer.id] = offer
        return {
            "id": {"value": offer.id},
            "framework_id": {"value": framework.id},
            "agent_id": {"value": agent.id},
            "hostname": agent.info["hostname"],
            "url": agent.url,
            "resources": free.to_json(allocated=True),
            "attributes": agent.info["attributes"],
            "allocation_info": {"role": "*"},
        }

    def used(self, agent: Agent) -> Resources:
        """What its tasks use."""
        held = (task.resources for task in self._master.tasks.values() if task.agent_id == agent.id)
        return sum(held, Resources())

    def _offered(self, agent: Agent) -> Resources:
        return sum((each.resources for each in self._offers.values() if each.agent_id == agent.id), Resources())

    def _share(self, framework: Framework) -> float:
        total = sum((agent.total for agent in self._master.agents.values()), Resources())
        tasks = (task.resources for task in self._master.tasks.values() if task.framework_id == framework.id)
        offers = (each.resources for each in self._offers.values() if each.framework_id == framework.id)
        return sum((*tasks, *offers), Resources()).share_of(total)

    def drop_of_framework(self, framework: Framework) -> None:
        """Withdraw its offers without an event."""
        self._offers = {key: each for key, each in self._offers.items() if each.framework_id != framework.id}

    def rescind_of_agent(self, agent: Agent) -> None:
        """Withdraw the offers of this agent, with RESCIND."""
        for offer in [each for each in self._offers.values() if each.agent_id == agent.id]:
            del self._offers[offer.id]
            rescind = {"type": "RESCIND", "rescind": {"offer_id": {"value": offer.id}}}
            self._master.frameworks[offer.framework_id].send(rescind)

    def decline(self, framework: Framework, body: Json) -> None:
        """Take offers back; those that are no longer valid are ignored."""
        for identifier in [each["value"] for each in body["offer_ids"]]:
            offer = self._take(framework, identifier)
            if offer is not None:
                self._refuse(framework, offer.agent_id, offer.resources, body)

    def accept(self, framework: Framework, body: Json) -> None:
        """Launch tasks on offers of one agent; each one that cannot be launched is answered with a status."""
        identifiers = [each["value"] for each in body["offer_ids"]]
        infos = [
            info
            for each in body.get("operations", [])
            if each["type"] == "LAUNCH"
            for info in each["launch"]["task_infos"]
        ]
        offers = {identifier: self._take(framework, identifier) for identifier in identifiers}
        invalid = [identifier for identifier, offer in offers.items() if offer is None]
        valid = [offer for offer in offers.values() if offer is not None]
        if invalid or len({offer.agent_id for offer in valid}) != 1:
            reason = f"Offer {invalid[0]} is no longer valid" if invalid else "Offers are of several agents"
            for info in infos:
                task_id, agent_id = info["task_id"]["value"], info["agent_id"]["value"]
                message = f"Task launched with invalid offers: {reason}"
                framework.status(task_id, "TASK_DROPPED", agent_id, "REASON_INVALID_OFFERS", message)
            return
        agent = self._master.agents[valid[0].agent_id]
        free = sum((offer.resources for offer in valid), Resources())
        for info in infos:
            fault = self._fault(framework, agent, info, free)
            if fault is not None:
                task_id, agent_id = info["task_id"]["value"], info["agent_id"]["value"]
                framework.status(task_id, "TASK_ERROR", agent_id, "REASON_TASK_INVALID", fault)
                continue
            free -= from_json(info["resources"])
            self._launch(framework, agent, info)
        self._refuse(framework, agent.id, free, body)

    def _fault(self, framework: Framework, agent: Agent, info: Json, free: Resources) -> str | None:
        task_id = info["task_id"]["value"]
        if (framework.id, task_id) in self._master.tasks:
            return f"Task has duplicate ID: {task_id}"
        if info["agent_id"]["value"] != agent.id:
            return f"Task uses invalid agent {info['agent_id']['value']} while agent {agent.id} is expected"
        if "command" not in info or "executor" in info or "container" in info:
            return "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
        if not info.get("resources"):
            return "Task uses no resources"
        if not free.contains(from_json(info["resources"])):
            wanted = described(info["resources"])
            return f"Total resources {wanted} required by task and its executor is more than available {free}"
        return None

    def _launch(self, framework: Framework, agent: Agent, info: Json) -> None:
        self._master.tasks[framework.id, info["task_id"]["value"]] = Task(info, framework.id, agent.id)
        agent.send({"launch": {"framework_id": framework.id, "framework_info": framework.info, "task_info": info}})

    def _take(self, framework: Framework, identifier: str) -> Offer | None:
        offer = self._offers.get(identifier)
        if offer is None or offer.framework_id != framework.id:
            return None
        return self._offers.pop(identifier)

    @staticmethod
    def _refuse(framework: Framework, agent_id: str, resources: Resources, body: Json) -> None:
        refuse_s = float(body.get("filters", {}).get("refuse_seconds", _DEFAULT_REFUSE_S))
        framework.filters.append((agent_id, resources, time.monotonic() + refuse_s))
