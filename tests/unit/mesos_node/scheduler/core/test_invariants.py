"""Whatever the order of events: no broker runs twice, launches fit their offers, the state is stored before each call.

A small model of Mesos plays against the core: agents come, go and lose their past, messages are delivered late, the
scheduler dies at any moment, and another one goes on from what it had stored.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sensorpi.common.cluster.model import Cluster
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.mesos.calls import Call
from sensorpi.mesos_node.scheduler.core.model import State, state_from_json
from sensorpi.mesos_node.scheduler.core.needs import needs_table
from sensorpi.mesos_node.scheduler.core.state_machine import Core
from sensorpi.mesos_node.scheduler.core.view import status
from tests.fakes.clusters import cluster_of, spark_cluster_of
from tests.fakes.mesos_events import offer, offers, subscribed, update

HOSTS = ("w0", "w1", "w2")
PORTS = {7000, 7001, *range(31000, 31011)}
HOST = st.sampled_from(HOSTS)
BROKERS = st.sampled_from(["0", "1", "2", "3", "*", "0..2"])
COMMANDS = (
    "job start",
    "job stop",
    *(f"broker {each}" for each in ("add", "update", "remove", "start", "stop", "restart")),
)
GIVEN: tuple[dict[str, Any], ...] = ({}, {"heap_mb": 200}, {"mem_mb": 1}, {"data_host": 5}, {"timeout_s": 60})


@dataclass
class Running:
    """A task that lives on its agent."""

    name: str
    host: str
    agent: str
    cpus: float
    mem: float
    ports: set[int]
    state: str = "STAGING"


@dataclass
class Agent:
    """A host's agent; its tasks go on while it is unreachable."""

    host: str
    number: int = 0
    unreachable: bool = False
    offered: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"agent-{self.host}-{self.number}"


class Mesos(RuleBasedStateMachine):
    """The world around the scheduler."""

    cluster = cluster_of(3)
    memory_mb = 832.0
    ports = PORTS

    def __init__(self) -> None:
        super().__init__()
        self.now = 1e6
        self.core = Core(self.cluster, State())
        self.core.declare()
        self.stored = self.core.state.to_json()
        self.agents = {host: Agent(host) for host in HOSTS}
        self.tasks: dict[str, Running] = {}
        self.given_up: dict[str, str] = {}  # agents that the master has given up, by id: their host
        self.events: list[dict[str, Any]] = []
        self.unacknowledged: dict[str, dict[str, Any]] = {}
        self.acknowledged: Counter[str] = Counter()

    # What the scheduler does.

    def carry_out(self, calls: list[Call], *, arrives: bool = True) -> None:
        """Keep the state, then make the calls; those of a scheduler that dies in between do not arrive."""
        self.stored = self.core.state.to_json()
        for kind, body in calls if arrives else ():
            getattr(self, f"on_{kind.lower()}")(body or {})

    def on_accept(self, body: dict[str, Any]) -> None:
        ids = [each["value"] for each in body["offer_ids"]]
        agent = next((each for each in self.agents.values() if set(ids) & set(each.offered)), None)
        infos = [info for each in body["operations"] for info in each["launch"]["task_infos"]]
        if agent is None:  # rescinded meanwhile
            for info in infos:
                self.events.append(update(info["task_id"]["value"], "DROPPED", info["agent_id"]["value"], uuid=False))
            return
        offered = [agent.offered.pop(each) for each in ids]
        cpus, mem, ports = self.sum(offered)
        for info in infos:
            wanted = {each["name"]: each for each in info["resources"]}
            ranges = wanted["ports"]["ranges"]["range"] if "ports" in wanted else []
            taken = {port for each in ranges for port in range(each["begin"], each["end"] + 1)}
            cpus -= wanted["cpus"]["scalar"]["value"]
            mem -= wanted["mem"]["scalar"]["value"]
            assert cpus > -1e-6
            assert mem > -1e-6
            assert taken <= ports
            ports -= taken
            task_id = info["task_id"]["value"]
            assert task_id not in self.tasks
            assert f'"{task_id}"' in self.stored, "launched before it was stored"
            needs = (wanted["cpus"]["scalar"]["value"], wanted["mem"]["scalar"]["value"])
            self.tasks[task_id] = Running(info["name"], agent.host, agent.id, *needs, taken)

    @staticmethod
    def sum(offered: list[dict[str, Any]]) -> tuple[float, float, set[int]]:
        cpus = mem = 0.0
        ports: set[int] = set()
        for each in offered:
            for resource in each["resources"]:
                if resource["name"] == "cpus":
                    cpus += resource["scalar"]["value"]
                elif resource["name"] == "mem":
                    mem += resource["scalar"]["value"]
                else:
                    ports |= {
                        port for part in resource["ranges"]["range"] for port in range(part["begin"], part["end"] + 1)
                    }
        return cpus, mem, ports

    def on_decline(self, body: dict[str, Any]) -> None:
        for each in body["offer_ids"]:
            for agent in self.agents.values():
                agent.offered.pop(each["value"], None)

    def on_acknowledge(self, body: dict[str, Any]) -> None:
        assert body["uuid"] in self.unacknowledged, "acknowledged what was not sent"
        del self.unacknowledged[body["uuid"]]
        self.acknowledged[body["uuid"]] += 1

    def on_reconcile(self, body: dict[str, Any]) -> None:
        if not body["tasks"]:
            for task_id, task in self.tasks.items():
                if not self.is_unreachable(task):
                    self.events.append(update(task_id, task.state, task.agent, uuid=False))
        for each in body["tasks"]:
            task_id, agent = each["task_id"]["value"], each["agent_id"]["value"]
            if agent in self.given_up:
                self.events.append(update(task_id, "UNREACHABLE", agent, uuid=False))
            elif any(agent == present.id and present.unreachable for present in self.agents.values()):
                pass  # the master waits for it and says nothing
            elif task_id in self.tasks and self.tasks[task_id].agent == agent:
                self.events.append(update(task_id, self.tasks[task_id].state, agent, uuid=False))
            else:
                self.events.append(update(task_id, "GONE", agent, uuid=False))

    def on_kill(self, body: dict[str, Any]) -> None:
        task_id = body["task_id"]["value"]
        if task_id in self.tasks and not self.is_unreachable(self.tasks[task_id]):
            self.end(task_id, "KILLED")

    def on_suppress(self, _body: dict[str, Any]) -> None:
        """Nothing is offered unless asked for, here."""

    on_revive = on_suppress

    # What the world does.

    def is_unreachable(self, task: Running) -> bool:
        return self.agents[task.host].unreachable

    def end(self, task_id: str, state: str) -> None:
        task = self.tasks.pop(task_id)
        self.send(update(task_id, state, task.agent))

    def send(self, event: dict[str, Any]) -> None:
        self.unacknowledged[event["update"]["status"]["uuid"]] = event
        self.events.append(event)

    @initialize()
    def subscribe(self) -> None:
        self.carry_out(self.core.handle(subscribed(), self.now))

    @rule(host=HOST)
    def offer(self, host: str) -> None:
        agent = self.agents[host]
        if agent.unreachable or agent.offered:
            return
        here = [each for each in self.tasks.values() if each.host == host]
        free = self.ports - {port for each in here for port in each.ports}
        ranges = tuple((port, port) for port in sorted(free))
        cpus, mem = 4.0 - sum(each.cpus for each in here), self.memory_mb - sum(each.mem for each in here)
        made = offer(host, agent=agent.id, cpus=cpus, mem=mem, ports=ranges)
        agent.offered[made["id"]["value"]] = made
        self.carry_out(self.core.handle(offers(made), self.now))

    @rule(host=HOST)
    def offer_to_a_scheduler_that_dies_before_its_calls(self, host: str) -> None:
        agent = self.agents[host]
        if agent.unreachable or agent.offered:
            return
        made = offer(host, agent=agent.id)
        self.carry_out(self.core.handle(offers(made), self.now), arrives=False)
        self.another_scheduler()

    @precondition(lambda self: self.events)
    @rule()
    def deliver(self) -> None:
        event = self.events.pop(0)
        self.carry_out(self.core.handle(event, self.now))

    @precondition(lambda self: self.events)
    @rule()
    def deliver_all(self) -> None:
        while self.events:
            self.deliver()

    @rule()
    def another_scheduler(self) -> None:
        self.core = Core(self.cluster, state_from_json(self.stored))
        for agent in self.agents.values():
            agent.offered.clear()
        # The stream is gone, and the agents send again what was not acknowledged.
        self.events = list(self.unacknowledged.values())
        self.carry_out(self.core.handle(subscribed(), self.now))

    @rule(after_s=st.sampled_from([1, 16, 120, 700]))
    def wait(self, after_s: float) -> None:
        self.now += after_s
        self.carry_out(self.core.tick(self.now))

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), state=st.sampled_from(["RUNNING", "FAILED", "FINISHED"]))
    def task_goes_on(self, data: st.DataObject, state: str) -> None:
        task_id = data.draw(st.sampled_from(sorted(self.tasks)))
        task = self.tasks[task_id]
        if self.is_unreachable(task):
            return
        if state != "RUNNING":
            self.end(task_id, state)
        elif task.state == "STAGING":
            task.state = "RUNNING"
            self.send(update(task_id, "RUNNING", task.agent, healthy=True))

    @rule(host=HOST)
    def agent_is_lost(self, host: str) -> None:
        agent = self.agents[host]
        if agent.unreachable:
            return
        agent.unreachable = True
        agent.offered.clear()
        self.given_up[agent.id] = host
        for task_id, task in self.tasks.items():
            if task.host == host:
                self.events.append(update(task_id, "UNREACHABLE", task.agent, uuid=False))

    @rule(host=HOST)
    def master_fails_over_without(self, host: str) -> None:
        """The new master waits for the agent and says nothing about it."""
        agent = self.agents[host]
        if not agent.unreachable:
            agent.unreachable = True
            agent.offered.clear()
            self.carry_out(self.core.handle(subscribed(), self.now))

    @rule(host=HOST)
    def agent_is_back(self, host: str) -> None:
        agent = self.agents[host]
        if agent.unreachable:
            agent.unreachable = False
            self.given_up.pop(agent.id, None)
            for task_id, task in self.tasks.items():
                if task.host == host:
                    self.events.append(update(task_id, task.state, task.agent, uuid=False))

    @rule(host=HOST)
    def host_boots_with_a_new_agent(self, host: str) -> None:
        agent = self.agents[host]
        if agent.unreachable:
            self.tasks = {task_id: task for task_id, task in self.tasks.items() if task.host != host}
            agent.unreachable = False
            agent.number += 1

    @rule(brokers=BROKERS, name=st.sampled_from(COMMANDS), given=st.sampled_from(GIVEN))
    def command(self, brokers: str, name: str, given: dict[str, Any]) -> None:
        before = self.core.state.to_json()
        try:
            _names, calls = self.core.command(name, {"brokers": brokers, **given}, self.now)
        except UserError:
            assert self.core.state.to_json() == before, "a mistake has changed the state"
            return
        self.carry_out(calls)

    @precondition(lambda self: self.core.wants_in_sync)
    @rule(answer=st.sampled_from(["", "behind"]))
    def kafka_answers(self, answer: str) -> None:
        self.carry_out(self.core.told_in_sync(answer, self.now))

    @invariant()
    def nothing_but_the_job_runs_twice(self) -> None:
        running = Counter(each.name for each in self.tasks.values() if each.name != "job")
        assert all(times == 1 for times in running.values()), running

    @invariant()
    def no_status_is_acknowledged_twice(self) -> None:
        assert all(times == 1 for times in self.acknowledged.values())

    @invariant()
    def what_is_shown_changes_nothing(self) -> None:
        before = self.core.state.to_json()
        status(self.core, None)
        self.core.what_fits_nowhere()
        self.core.next_s(self.now)
        assert self.core.state.to_json() == before

    @invariant()
    def the_needs_are_those_of_the_state(self) -> None:
        assert self.core.needs == needs_table(self.core.state, self.cluster)

    @invariant()
    def what_is_stored_can_be_read(self) -> None:
        assert state_from_json(self.stored).to_json() == self.stored

    @invariant()
    def the_next_look_is_not_in_the_past(self) -> None:
        self.carry_out(self.core.tick(self.now))
        assert self.core.next_s(self.now) > self.now


class MesosWithSpark(Mesos):
    """The same, with Spark's standalone cluster, which an edit of the cluster file asks for, moves or ends."""

    cluster = spark_cluster_of(3)
    memory_mb = 2048.0
    ports = PORTS | set(range(7077, 7084))

    @rule(file=st.sampled_from([cluster_of(3), spark_cluster_of(3), spark_cluster_of(3, "worker_cores = 2")]))
    def another_scheduler_with_another_file(self, file: Cluster) -> None:
        self.cluster = file
        self.core = Core(self.cluster, state_from_json(self.stored))
        self.core.declare()
        self.stored = self.core.state.to_json()
        self.another_scheduler()

    @invariant()
    def a_daemon_is_at_home(self) -> None:
        for each in self.tasks.values():
            if each.name.startswith("spark-"):
                assert each.host == f"w{each.name.rpartition('-')[2].replace('master', '0')}"


TestMesos = Mesos.TestCase
TestMesosWithSpark = MesosWithSpark.TestCase
TestMesos.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestMesosWithSpark.settings = settings(TestMesos.settings, max_examples=30)
