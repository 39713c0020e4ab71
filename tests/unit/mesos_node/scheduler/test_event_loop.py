"""What the leading scheduler does around its core: it keeps the state before it makes a call, and never otherwise."""

import threading
from typing import Any

import pytest

from sensorpi.common.errors import UserError
from sensorpi.mesos_node.mesos.errors import UnreachableError
from sensorpi.mesos_node.scheduler.core.model import State, state_from_json
from sensorpi.mesos_node.scheduler.core.state_machine import Core
from sensorpi.mesos_node.scheduler.core.task_info import Programs
from sensorpi.mesos_node.scheduler.event_loop import Leader, Options
from sensorpi.mesos_node.scheduler.store import NotOurs, StoreAway
from tests.fakes.clusters import cluster_of
from tests.fakes.mesos_events import offer, offers, subscribed, update


class World:
    """Where the state is kept and calls are made, in the order of both; the next answers of each may be errors."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.kept = ""
        self.answers: list[Exception | None] = []
        self.refused: list[str] = []

    def save(self, state: State) -> None:
        error = self.answers.pop(0) if self.answers else None
        if error is not None:
            self.happened.append(type(error).__name__)
            raise error
        self.kept = state.to_json()
        self.happened.append("keep")

    def call(self, kind: str, _body: Any) -> None:
        self.happened.append(kind)
        if kind in self.refused:
            raise UnreachableError("the master does not answer")


class Running:
    """A leader whose threads do not run: each step is the test's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = World()
        self.stop = threading.Event()
        self.deposed: list[str] = []
        cluster = cluster_of(3)
        self.core = Core(cluster, State())
        self.core.declare()
        options = Options(cluster, cluster.node("m"), bytes(32), Programs())
        self.leader = Leader(options, None, self.world, self.core, self.stop, self.deposed.append)  # type: ignore[arg-type]
        monkeypatch.setattr(self.leader._client, "call", self.world.call)

    def give(self, event: dict[str, Any]) -> list[str]:
        """Hand over an event; what has happened then."""
        self.world.happened.clear()
        self.leader._inbox.put(lambda now_s: self.core.handle(event, now_s))
        self.leader._work()
        return self.world.happened


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Running:
    running = Running(monkeypatch)
    running.give(subscribed())
    return running


def test_a_launch_is_kept_before_it_is_made(running: Running) -> None:
    assert running.give(offers(offer("w0")))[:2] == ["keep", "ACCEPT"]
    task = state_from_json(running.world.kept).workloads["broker-0"].task
    assert task is not None


def test_a_status_is_kept_before_it_is_acknowledged(running: Running) -> None:
    running.give(offers(offer("w0")))
    task = running.core.state.workloads["broker-0"].task
    assert task is not None
    assert running.give(update(task.id, "RUNNING", task.agent_id))[:2] == ["keep", "ACKNOWLEDGE"]
    kept = state_from_json(running.world.kept).workloads["broker-0"].task
    assert kept is not None
    assert kept.state == "RUNNING"


def test_zookeeper_is_waited_for(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running.stop, "wait", lambda _wait_s: False)
    running.world.answers = [StoreAway("gone"), StoreAway("gone"), None]
    assert running.give(offers(offer("w0")))[:4] == ["StoreAway", "StoreAway", "keep", "ACCEPT"]


def test_whoever_is_no_longer_leader_makes_no_call(running: Running) -> None:
    running.world.answers = [NotOurs("written by another")]
    assert running.give(offers(offer("w0"))) == ["NotOurs"]
    assert running.deposed == ["written by another"]


def test_a_call_that_fails_does_not_keep_back_the_others(running: Running) -> None:
    running.world.refused = ["ACCEPT"]
    assert "DECLINE" in running.give(offers(offer("w0"), offer("elsewhere", mem=100)))


def test_a_request_is_answered_once_its_change_is_kept(running: Running) -> None:
    answers: list[Any] = []
    asking = threading.Thread(
        target=lambda: answers.append(running.leader._request("broker stop", {"brokers": "0"})), daemon=True
    )
    asking.start()
    running.leader._work()
    asking.join(10)
    assert answers == [{"workloads": ["broker-0"]}]
    assert not state_from_json(running.world.kept).workloads["broker-0"].active


def test_a_mistake_is_answered_and_the_leader_goes_on(running: Running) -> None:
    mistakes: list[str] = []

    def ask() -> None:
        try:
            running.leader._request("broker stop", {"brokers": "9"})
        except UserError as error:
            mistakes.append(str(error))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    running.leader._work()
    asking.join(10)
    assert mistakes == ["no broker 9: there are 0, 1, 2"]
    assert running.give(offers(offer("w0")))[:2] == ["keep", "ACCEPT"]
