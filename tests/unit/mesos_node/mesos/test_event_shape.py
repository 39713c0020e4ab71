"""Events of any shape: refused before they change anything, or taken by the scheduler."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.mesos_node.mesos.event_shape import checked
from sensorpi.mesos_node.mesos.master_detector import address_of, leader_of
from sensorpi.mesos_node.mesos.recordio import Decoder, RecordError
from sensorpi.mesos_node.scheduler.core.model import State, state_from_json
from sensorpi.mesos_node.scheduler.core.state_machine import Core
from sensorpi.mesos_node.scheduler.core.view import status
from tests.fakes.clusters import cluster_of
from tests.fakes.damage import JSON_VALUES, damaged, replaced
from tests.fakes.mesos_events import offer, offers, subscribed, update
from tests.fakes.mesos_recordings import DIRECTORY, lines

RECORDED = [
    line["event"]
    for name in ("conversation.jsonl", "failover.jsonl")
    for line in lines(name)
    if line["kind"] == "event"
]
ZNODE = next(iter(json.loads((DIRECTORY / "zookeeper-mesos-znode.json").read_text()).values())).encode()


def running() -> Core:
    """A scheduler with a task, whose id is ``job.w0.00``."""
    core = Core(cluster_of(1), State(), unique=lambda: "00")
    core.declare()
    for event in (subscribed(), offers(offer("w0")), update("job.w0.00", "RUNNING", "agent-w0")):
        core.handle(checked(event), 1e6)
    return core


#: Those that the scheduler acts on, also about a task that it has.
EVENTS = [
    *RECORDED,
    update("job.w0.00", "FAILED", "agent-w0", message="why"),
    offers(offer("w0", attributes={"a": "b"})),
]


@pytest.mark.parametrize("event", RECORDED, ids=lambda event: event["type"])
def test_every_recorded_event_has_its_shape(event: Any) -> None:
    assert checked(event) is event


@pytest.mark.fuzz
@given(st.sampled_from(EVENTS), st.data())
def test_an_event_is_refused_or_taken(event: Any, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        event = replaced(event, data)
    core = running()
    try:
        event = checked(json.loads(json.dumps(event)))
    except ValueError:
        return
    core.handle(event, 1e6)
    core.tick(2e6)
    core.next_s(2e6)
    status(core, None)
    assert state_from_json(core.state.to_json()).to_json() == core.state.to_json()


@pytest.mark.fuzz
@given(JSON_VALUES)
def test_any_json_is_refused_or_an_event(value: Any) -> None:
    try:
        assert isinstance(checked(value)["type"], str)
    except ValueError:
        return


@pytest.mark.fuzz
@given(st.lists(damaged(b"".join(b"%d\n%b" % (len(each), each) for each in (b"{}", b'{"type":"HEARTBEAT"}')))))
def test_any_stream_is_records_or_an_error(pieces: list[bytes]) -> None:
    decoder = Decoder(max_record_bytes=1000)
    try:
        for piece in pieces:
            assert all(len(record) <= 1000 for record in decoder.feed(piece))
    except RecordError:
        return


@pytest.mark.fuzz
@given(damaged(ZNODE), st.lists(st.text(max_size=20).map(lambda text: f"json.info_{text}")))
def test_any_masters_node_is_an_address_or_an_error(content: bytes, contenders: list[str]) -> None:
    leader = leader_of(contenders)
    assert leader is None or leader in contenders
    try:
        host, _, port = address_of(content).rpartition(":")
    except ValueError:
        return
    assert host
    assert 0 < int(port) < 65536
