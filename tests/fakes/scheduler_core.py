"""The scheduler's core with a clock of its own; each step gives it one input and returns the calls to Mesos."""

from typing import Any

from sensorpi.common.cluster.model import Cluster
from sensorpi.mesos_node.mesos.calls import Call
from sensorpi.mesos_node.scheduler.core.model import State, Task, Workload, state_from_json
from sensorpi.mesos_node.scheduler.core.state_machine import Core
from sensorpi.mesos_node.scheduler.core.view import status
from tests.fakes.mesos_events import offer, offers, subscribed, update

NOW_S = 1_000_000.0


class Scheduler:
    """A core with a subscription; the agents are on hosts w0, w1, and so on."""

    def __init__(self, cluster: Cluster) -> None:
        self.now_s = NOW_S
        self.start(cluster, State())

    def start(self, cluster: Cluster, state: State) -> list[Call]:
        """Start a scheduler with this stored state."""
        self.core = Core(cluster, state)
        self.core.declare()
        return self.give(subscribed())

    def start_again(self, cluster: Cluster) -> list[Call]:
        """Start another scheduler with what this one has stored."""
        return self.start(cluster, state_from_json(self.state.to_json()))

    @property
    def state(self) -> State:
        """The core's state."""
        return self.core.state

    def give(self, event: dict[str, Any]) -> list[Call]:
        """Give it an event."""
        return self.core.handle(event, self.now_s)

    def do(self, name: str, brokers: str | None = None, /, **given: Any) -> list[Call]:
        """Give it a command. Raises ``UserError``."""
        _names, calls = self.core.command(name, given if brokers is None else {"brokers": brokers, **given}, self.now_s)
        return calls

    def tell_in_sync(self, what_is_not: str) -> list[Call]:
        """Give it Kafka's answer about the replicas."""
        return self.core.told_in_sync(what_is_not, self.now_s)

    def wait(self, by_s: float) -> list[Call]:
        """Let that time pass."""
        self.now_s += by_s
        return self.core.tick(self.now_s)

    def offer_all(self, hosts: int = 3, **more: Any) -> list[Call]:
        """Give it an offer of each host."""
        return self.give(offers(*(offer(f"w{each}", **more) for each in range(hosts))))

    def workload(self, name: str) -> Workload:
        """One workload of the state."""
        return self.state.workloads[name]

    def task(self, name: str) -> Task:
        """The workload's task, which must exist."""
        task = self.workload(name).task
        assert task is not None
        return task

    def report(self, name: str, state: str, **more: Any) -> list[Call]:
        """Give it a status of the workload's task."""
        task = self.task(name)
        return self.give(update(task.id, state, task.agent_id, **more))

    def run_all(self, **more: Any) -> None:
        """Have all workloads launched and running."""
        self.offer_all(**more)
        for name in list(self.state.workloads):
            self.report(name, "RUNNING", healthy=True)

    def shown(self, name: str) -> dict[str, Any]:
        """What the API shows of a broker or the job."""
        shown = status(self.core, "m:5050")
        found: dict[str, Any] = shown["job"] if name == "job" else shown["brokers"][int(name.removeprefix("broker-"))]
        return found


def killed(calls: list[Call]) -> list[str]:
    """The ids of the tasks that the calls kill."""
    return [body["task_id"]["value"] for kind, body in calls if kind == "KILL" and body]
