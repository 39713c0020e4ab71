"""What the event loop does around the core: it stores the state before it makes a call, and never otherwise."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from pytest_mock import MockerFixture

from sensorpi.common.errors import UserError
from sensorpi.mesos_node.mesos.errors import FrameworkRemovedError, UnreachableError
from sensorpi.mesos_node.scheduler import event_loop
from sensorpi.mesos_node.scheduler.core.model import State, state_from_json
from sensorpi.mesos_node.scheduler.core.state_machine import Core
from sensorpi.mesos_node.scheduler.core.task_info import Programs
from sensorpi.mesos_node.scheduler.event_loop import EventLoop
from sensorpi.mesos_node.scheduler.framework import Options
from sensorpi.mesos_node.scheduler.store import Store, StoreConflict, StoreUnavailable
from tests.fakes.clusters import cluster_of
from tests.fakes.mesos_events import offer, offers, subscribed, update


class Leader:
    """An event loop whose threads do not run: each step is the test's."""

    def __init__(self, mocker: MockerFixture) -> None:
        self.stop = threading.Event()
        self.step_down = mocker.Mock()
        self.stored = ""
        self.answers: list[Exception] = []  # of ZooKeeper, to the next attempts to store
        cluster = cluster_of(3)
        self.core = Core(cluster, State())
        self.core.declare()
        store = mocker.create_autospec(Store, instance=True)
        store.save.side_effect = self._save
        options = Options(cluster, cluster.node("m"), bytes(32), Programs())
        self.loop = EventLoop(options, None, store, self.core, self.stop, self.step_down)
        self.call = mocker.patch.object(self.loop._client, "call")
        self._calls = mocker.Mock()
        self._calls.attach_mock(store.save, "save")
        self._calls.attach_mock(self.call, "call")

    def _save(self, state: State) -> None:
        if self.answers:
            raise self.answers.pop(0)
        self.stored = state.to_json()

    def give(self, event: dict[str, Any]) -> list[str]:
        """Hand an event over; return what the loop does then: "save", and the types of its calls to Mesos."""
        self._calls.reset_mock()
        self.loop._inputs.put(lambda now_s: self.core.handle(event, now_s))
        self.loop._step()
        return [args[0] if name == "call" else name for name, args, _ in self._calls.mock_calls]

    def ask(self, name: str, given: dict[str, Any]) -> Any:
        """What the API answers to a request, which takes one step of the loop."""
        answer = in_thread(lambda: self.loop._answer(name, given))
        self.loop._step()
        return answer.result(timeout=10)


def in_thread(work: Callable[[], Any]) -> "Future[Any]":
    """The outcome of what runs beside the test."""
    outcome: Future[Any] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome


@pytest.fixture
def leader(mocker: MockerFixture) -> Leader:
    leader = Leader(mocker)
    leader.give(subscribed())
    return leader


def test_a_launch_is_stored_before_it_is_made(leader: Leader) -> None:
    assert leader.give(offers(offer("w0")))[:2] == ["save", "ACCEPT"]
    task = state_from_json(leader.stored).workloads["broker-0"].task
    assert task is not None


def test_a_status_is_stored_before_it_is_acknowledged(leader: Leader) -> None:
    leader.give(offers(offer("w0")))
    task = leader.core.state.workloads["broker-0"].task
    assert task is not None
    assert leader.give(update(task.id, "RUNNING", task.agent_id))[:2] == ["save", "ACKNOWLEDGE"]
    stored = state_from_json(leader.stored).workloads["broker-0"].task
    assert stored is not None
    assert stored.state == "RUNNING"


def test_calls_wait_for_zookeeper(leader: Leader, mocker: MockerFixture) -> None:
    wait = mocker.patch.object(leader.stop, "wait", return_value=False)
    leader.answers = [StoreUnavailable("gone"), StoreUnavailable("gone")]
    assert leader.give(offers(offer("w0")))[:4] == ["save", "save", "save", "ACCEPT"]
    assert wait.call_count == 2


def test_a_scheduler_that_is_not_the_leader_makes_no_call(leader: Leader) -> None:
    leader.answers = [StoreConflict("written by another")]
    assert leader.give(offers(offer("w0"))) == ["save"]
    leader.step_down.assert_called_once_with("written by another")


def test_a_call_that_fails_does_not_keep_back_the_others(leader: Leader) -> None:
    leader.call.side_effect = [UnreachableError("the master does not answer"), None, None, None]
    assert leader.give(offers(offer("w0"), offer("elsewhere", mem=100)))[:3] == ["save", "ACCEPT", "DECLINE"]


def test_a_command_is_answered_once_its_change_is_stored(leader: Leader) -> None:
    assert leader.ask("broker stop", {"brokers": "0"}) == {"workloads": ["broker-0"]}
    assert not state_from_json(leader.stored).workloads["broker-0"].active


def test_a_command_that_is_not_stored_is_not_confirmed(leader: Leader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_loop, "_REQUEST_S", 0.1)
    leader.answers = [StoreConflict("written by another")] * 2
    answer = in_thread(lambda: leader.loop._answer("broker stop", {"brokers": "0"}))
    leader.loop._step()
    with pytest.raises(UserError, match="cannot reach ZooKeeper"):
        answer.result(timeout=20)


def test_a_mistake_is_answered_and_the_loop_goes_on(leader: Leader) -> None:
    with pytest.raises(UserError, match="no broker 9: there are 0, 1, 2"):
        leader.ask("broker stop", {"brokers": "9"})
    assert leader.give(offers(offer("w0")))[:2] == ["save", "ACCEPT"]


def test_a_question_changes_nothing(leader: Leader) -> None:
    leader.give(offers(offer("w0")))
    before = leader.stored
    shown = leader.ask("status", {})
    shown["brokers"][0]["task"]["ports"].clear()
    with pytest.raises(UserError, match="expected stdout or stderr"):
        leader.ask("log", {"name": "broker-0", "file": "stdin"})
    assert leader.core.state.to_json() == leader.stored == before


def test_a_removed_framework_registers_once_that_is_stored(
    leader: Leader, mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_loop, "_REQUEST_S", 0.0)  # no request may give up while ZooKeeper is unavailable
    stored: list[str | None] = []
    run = mocker.patch.object(leader.loop._client, "run", side_effect=[FrameworkRemovedError("removed"), None])
    mocker.patch.object(
        leader.loop._client,
        "forget_framework",
        side_effect=lambda: stored.append(state_from_json(leader.stored).framework_id),
    )
    subscription = in_thread(leader.loop._subscribe)
    with pytest.raises(TimeoutError):
        subscription.result(timeout=0.2)
    leader.loop._step()
    subscription.result(timeout=10)
    assert stored == [None]
    assert run.call_count == 2
