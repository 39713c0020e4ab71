"""The client in trouble: each kind has its own error or reaction, and only some end the subscription."""

import base64
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sensorpi.mesos_node.mesos import calls
from sensorpi.mesos_node.mesos.client import SchedulerClient
from sensorpi.mesos_node.mesos.errors import (
    InvalidCallError,
    MesosError,
    NotLeaderError,
    NotSubscribedError,
    RefusedError,
    UnreachableError,
    WrongStreamError,
)
from tests.fakes.mesos_framework import Event, Framework
from tests.fakes.mesos_recordings import ReplayMaster, Stream, lines, record

RECORDED = lines("conversation.jsonl")
SUBSCRIBE, SUBSCRIBED, HEARTBEAT, OFFERS = RECORDED[:4]
INFO = SUBSCRIBE["request"]["subscribe"]["framework_info"]
FRAMEWORK_ID = SUBSCRIBED["event"]["subscribed"]["framework_id"]["value"]
BAD = {line["body"]: line for line in RECORDED if line.get("status") == 400}


@pytest.fixture
def master() -> Iterator[ReplayMaster]:
    one = ReplayMaster()
    yield one
    one.close()


@pytest.fixture
def framework(master: ReplayMaster) -> Iterator[Framework]:
    with Framework(INFO, lambda: master.address) as one:
        yield one


def accept(master: ReplayMaster, interval_s: float = 15.0) -> Stream:
    """Answer a SUBSCRIBE with the recorded stream's beginning."""
    stream = master.request().begin_stream(SUBSCRIBE["headers"])
    event = SUBSCRIBED["event"]
    if interval_s == 15.0:
        stream.send(record(SUBSCRIBED))
    else:
        stream.send(repr(event).replace("'", '"').replace("15.0", str(interval_s)).encode())
    return stream


def wait_until(condition: Callable[[], bool]) -> None:
    """For what no event reports."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(framework: Framework, stream: Stream) -> bool:
    """Whether the subscription still brings events."""
    before = len(framework.events)
    stream.send(record(OFFERS))
    return bool(framework.wait_for_events(before + 1) == OFFERS["event"])


@pytest.mark.parametrize(
    ("status", "text", "error", "stays"),
    [
        *((400, text, WrongStreamError, False) for text in BAD if "tream" in text),
        *((400, text, InvalidCallError, True) for text in BAD if "tream" not in text),
        (307, "", NotLeaderError, False),
        (401, "", RefusedError, True),
        (403, "Framework is not authorized", RefusedError, True),
        (404, "", InvalidCallError, True),
        (500, "", UnreachableError, True),
        (503, "Master has not finished recovery", UnreachableError, True),
    ],
)
def test_each_answer_to_a_call_has_its_error_and_its_reaction(
    framework: Framework, master: ReplayMaster, status: int, text: str, error: type[MesosError], stays: bool
) -> None:
    stream = accept(master)
    framework.wait_for_events(1)
    outcome = framework.call(*calls.suppress())
    location = {"Location": f"//{master.address}/master/api/v1/scheduler"} if status == 307 else {}
    master.request().answer(status, {"Content-Length": str(len(text)), **location}, text)
    with pytest.raises(error, match=master.address) as raised:
        outcome.result(timeout=20)
    assert "\n" not in str(raised.value)
    assert text in str(raised.value) or location
    if stays:
        assert is_alive(framework, stream)
        assert framework.disconnects == []
    else:
        again = master.request()
        assert again.json["framework_id"] == {"value": FRAMEWORK_ID}
        assert again.json["subscribe"]["framework_info"]["id"] == {"value": FRAMEWORK_ID}
        assert framework.disconnects == [str(raised.value)]
        with pytest.raises(NotSubscribedError):
            framework.client.call(*calls.suppress())
        again.answer(503, {"Content-Length": "0"})


def test_a_call_to_a_dead_master_is_unreachable(framework: Framework, master: ReplayMaster) -> None:
    accept(master)
    framework.wait_for_events(1)
    outcome = framework.call(*calls.suppress())
    request = master.request()
    request.sock.close()
    with pytest.raises(UnreachableError, match=master.address):
        outcome.result(timeout=20)


def test_silence_of_three_heartbeats_ends_the_subscription(framework: Framework, master: ReplayMaster) -> None:
    accept(master, interval_s=0.05)
    began = time.monotonic()
    request = master.request()  # the next SUBSCRIBE, though the connection was not closed
    assert framework.disconnects == [f"no heartbeat of Mesos master {master.address} for 0.15 s"]
    assert time.monotonic() - began < 8  # not the 10 s that hold for any other answer
    request.begin_stream(SUBSCRIBE["headers"]).send(record(SUBSCRIBED))
    framework.wait_for_events(2)


def test_heartbeats_keep_the_subscription_and_are_no_events(framework: Framework, master: ReplayMaster) -> None:
    stream = accept(master, interval_s=0.5)
    pause = threading.Event()
    for _ in range(20):  # 2 s, longer than three intervals
        stream.send(record(HEARTBEAT))
        pause.wait(0.1)
    assert is_alive(framework, stream)
    assert [event["type"] for event in framework.events] == ["SUBSCRIBED", "OFFERS"]
    assert framework.disconnects == []


@pytest.mark.parametrize(
    "break_it",
    [
        lambda stream: stream.end(),
        lambda stream: stream.break_off(),
        lambda stream: stream.send(record(OFFERS), length=3),
        lambda stream: stream.send_raw(b"99999999999\n"),
        lambda stream: stream.send(b"[1]"),
        lambda stream: stream.send(b"{}"),
        lambda stream: stream.send(b"\xff\xfe"),
        lambda stream: stream.send(b'{"type":"ERROR","error":{"message":"Not authorized for role"}}'),
    ],
    ids=["end", "reset", "length", "huge", "no-object", "no-type", "no-text", "error"],
)
def test_however_a_stream_breaks_the_framework_resubscribes(
    framework: Framework, master: ReplayMaster, break_it: Callable[[Stream], None]
) -> None:
    stream = accept(master)
    framework.wait_for_events(1)
    break_it(stream)
    again = master.request()
    assert again.json["framework_id"] == {"value": FRAMEWORK_ID}
    assert len(framework.disconnects) == 1
    assert is_alive(framework, again.begin_stream(SUBSCRIBE["headers"]))


def test_a_callback_that_fails_is_logged_and_changes_nothing(
    master: ReplayMaster, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_event: Event) -> None:
        raise ZeroDivisionError("the framework's own bug")

    taken: list[Any] = []

    def take(event: Event) -> None:
        taken.append(event)
        if event["type"] == "SUBSCRIBED":
            fail(event)

    with Framework(INFO, lambda: master.address, on_event=take) as framework:
        stream = accept(master)
        stream.send(record(OFFERS))
        framework.wait_for_events(1)
        assert framework.events == [OFFERS["event"]]
        assert taken == [SUBSCRIBED["event"], OFFERS["event"]]
    assert "the framework's own bug" in caplog.text


def test_without_a_leader_it_waits_and_logs_that_once(master: ReplayMaster, caplog: pytest.LogCaptureFixture) -> None:
    answers = [None, None, master.address]
    asked = threading.Semaphore(0)

    def detect_master() -> str | None:
        asked.release()
        return answers.pop(0)

    with Framework(INFO, detect_master) as framework:
        for _ in range(3):
            assert asked.acquire(timeout=20)
            framework.client.master_changed("127.0.0.1:1")
        accept(master)
        framework.wait_for_events(1)
    warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert len(warnings) == 2
    assert warnings[0] == "Mesos is down: ZooKeeper has no leading master. Retrying until it is back."


def test_a_failing_detection_of_the_leader_is_retried(master: ReplayMaster, caplog: pytest.LogCaptureFixture) -> None:
    answers: list[str] = []

    def detect_master() -> str:
        return answers.pop()

    with Framework(INFO, detect_master) as framework:
        wait_until(lambda: "is down" in caplog.text)
        answers.append(master.address)
        accept(master)
        framework.wait_for_events(1)
    assert "the detection of the leading master failed: IndexError" in caplog.text


def test_it_leaves_a_master_only_for_another_leader(framework: Framework, master: ReplayMaster) -> None:
    stream = accept(master)
    framework.wait_for_events(1)
    framework.client.master_changed(None)  # during an election, which this master may win
    framework.client.master_changed(master.address)
    assert is_alive(framework, stream)
    framework.client.master_changed("127.0.0.1:1")
    again = master.request()
    assert again.json["type"] == "SUBSCRIBE"
    assert framework.disconnects == ["Mesos master 127.0.0.1:1 is the leader now"]
    again.answer(503, {"Content-Length": "0"})


def test_it_stays_with_the_leader_it_is_subscribing_to(framework: Framework, master: ReplayMaster) -> None:
    stream = master.request().begin_stream(SUBSCRIBE["headers"])
    wait_until(lambda: framework.client._stream is not None)
    framework.client.master_changed(master.address)
    stream.send(record(SUBSCRIBED))
    framework.wait_for_events(1)
    assert is_alive(framework, stream)
    assert framework.disconnects == []


def test_stop_ends_a_quiet_subscription_at_once(framework: Framework, master: ReplayMaster) -> None:
    accept(master)
    framework.wait_for_events(1)
    framework.stop()
    assert framework.outcome.result(timeout=3) is None
    assert not framework.client.subscribed


def test_stop_ends_the_wait_for_a_leader_at_once() -> None:
    with Framework(INFO, lambda: None) as framework:
        framework.stop()
        assert framework.outcome.result(timeout=3) is None


def test_credentials_go_with_every_request(master: ReplayMaster) -> None:
    client = SchedulerClient(INFO, lambda: master.address, lambda _event: None, credentials=("sensorpi", "s3cret"))
    stop = threading.Event()
    thread = threading.Thread(target=client.run, args=(stop,))
    thread.start()
    request = master.request()
    stop.set()
    request.begin_stream(SUBSCRIBE["headers"])
    thread.join(timeout=20)
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(b"sensorpi:s3cret").decode()


def test_a_forgotten_framework_registers_as_a_new_one(master: ReplayMaster) -> None:
    with Framework(INFO, lambda: master.address, framework_id="gone") as framework:
        stream = master.request().begin_stream(SUBSCRIBE["headers"])
        stream.send(b'{"type":"ERROR","error":{"message":"Framework has been removed"}}')
        framework.wait_for(framework.outcome.done)
    framework.client.forget_framework()
    stop = threading.Event()
    thread = threading.Thread(target=framework.client.run, args=(stop,))
    thread.start()
    request = master.request()
    stop.set()
    request.answer(503, {"Content-Length": "0"})
    thread.join(timeout=20)
    assert request.json == SUBSCRIBE["request"]


def test_a_call_before_the_subscription_is_an_error() -> None:
    client = SchedulerClient(INFO, lambda: None, lambda _event: None)
    with pytest.raises(NotSubscribedError, match="SUPPRESS is not sent"):
        client.call(*calls.suppress())
    assert client.framework_id is None
    assert client.master is None


def test_only_an_agents_status_is_acknowledged() -> None:
    statuses = [line["event"]["update"]["status"] for line in RECORDED if line.get("event", {}).get("type") == "UPDATE"]
    by_source = {(status["source"], calls.needs_acknowledgement(status)) for status in statuses}
    assert by_source == {("SOURCE_EXECUTOR", True), ("SOURCE_MASTER", False)}
