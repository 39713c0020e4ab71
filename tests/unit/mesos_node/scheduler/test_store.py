"""The scheduler's state in ZooKeeper, damaged in every way: one line, set aside, started."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kazoo.exceptions import NoNodeError

from sensorpi.mesos_node.scheduler.core.model import State, state_from_json
from sensorpi.mesos_node.scheduler.core.state_machine import Core
from sensorpi.mesos_node.scheduler.core.view import status
from sensorpi.mesos_node.scheduler.store import Store
from tests.fakes.clusters import cluster_of
from tests.fakes.damage import HOSTILE_TEXTS, damaged, replaced
from tests.fakes.mesos_events import launched, offer, offers, subscribed, update

STORED = (Path(__file__).parents[3] / "recordings/scheduler/state-0.1.0.json").read_bytes().rstrip(b"\n")
FRAMEWORK_ID = "0a1b2c3d-0000-4000-8000-000000000000-0001"


@dataclass
class ZooKeeper:
    """As much of it as the store uses."""

    nodes: dict[str, bytes] = field(default_factory=dict)

    def get_async(self, path: str) -> Any:
        def get(timeout: float) -> Any:
            if path not in self.nodes:
                raise NoNodeError
            return self.nodes[path], SimpleNamespace(version=7)

        return SimpleNamespace(get=get)

    def exists_async(self, path: str) -> Any:
        return SimpleNamespace(get=lambda timeout: self.nodes.get(path))

    def set_async(self, path: str, content: bytes, version: int = -1) -> Any:
        self.nodes[path] = content
        return SimpleNamespace(get=lambda timeout: SimpleNamespace(version=8))

    def create_async(self, path: str, content: bytes, makepath: bool) -> Any:
        assert path not in self.nodes
        return self.set_async(path, content)


def start(content: bytes) -> tuple[ZooKeeper, State]:
    """Start a scheduler on that state: it subscribes, gets an offer, and stores what it knows."""
    zookeeper = ZooKeeper({"/state": content})
    store = Store(zookeeper, "/state")
    core = Core(cluster_of(3), store.load())
    core.declare()
    for event in (subscribed(), offers(offer("w0"))):
        core.handle(event, 1e6)
    core.next_s(1e6)
    status(core, None)
    store.save(core.state)
    assert state_from_json(zookeeper.nodes["/state"].decode()).to_json() == core.state.to_json()
    return zookeeper, core.state


@pytest.mark.parametrize("content", HOSTILE_TEXTS, ids=lambda content: repr(content[:12]))
def test_a_damaged_state_is_set_aside_with_one_line(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    zookeeper, state = start(content)
    if content == b"{}":  # a state without anything is one
        return
    assert zookeeper.nodes["/state.damaged"] == content
    lines = [each for each in caplog.messages if "damaged" in each]
    assert len(lines) == 1
    assert "\n" not in lines[0]
    assert state.workloads["broker-0"].task is not None


def test_the_framework_is_still_known_when_the_rest_is_not() -> None:
    """Its tasks are then reported by Mesos and taken over; another framework would start each a second time."""
    zookeeper = ZooKeeper({"/state": json.dumps({"framework_id": FRAMEWORK_ID, "workloads": 5}).encode()})
    core = Core(cluster_of(1), Store(zookeeper, "/state").load())
    assert core.state.framework_id == FRAMEWORK_ID
    core.declare()
    now_s = time.time()
    core.handle(subscribed(FRAMEWORK_ID), now_s)
    assert list(launched(core.handle(offers(offer("w0")), now_s))) == ["broker-0"]  # the job may run already
    core.handle(update("job.w1.00", "RUNNING", "agent-w1", uuid=False), now_s)
    assert "job" not in launched(core.handle(offers(offer("w0")), now_s + 11))


@pytest.mark.fuzz
@given(damaged(STORED))
def test_no_bytes_in_zookeeper_stop_the_scheduler(content: bytes) -> None:
    start(content)


@pytest.mark.fuzz
@given(st.data())
def test_no_values_in_zookeeper_stop_the_scheduler(data: st.DataObject) -> None:
    start(json.dumps(replaced(json.loads(STORED), data)).encode())
