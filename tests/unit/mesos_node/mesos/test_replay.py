"""Both recordings of a real master, replayed byte for byte: what the client sends, receives and raises."""

import http.client
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from urllib.parse import unquote

import pytest

from sensorpi.common.errors import UserError
from sensorpi.mesos_node.mesos import calls
from sensorpi.mesos_node.mesos.errors import (
    FrameworkFailedOverError,
    FrameworkRemovedError,
    InvalidCallError,
    MesosError,
    WrongStreamError,
    error_of,
)
from sensorpi.mesos_node.mesos.sandbox import Sandbox
from tests.fakes.mesos_framework import Framework
from tests.fakes.mesos_recordings import Line, ReplayMaster, Stream, lines, record

SCHEDULER = "/api/v1/scheduler"


@pytest.fixture
def masters() -> Iterator[list[ReplayMaster]]:
    both = [ReplayMaster(), ReplayMaster()]
    yield both
    for each in both:
        each.close()


def framework_of(line: Line, leader: ReplayMaster) -> Framework:
    """The framework as recorded, which takes over the id in its SUBSCRIBE, if there is one."""
    info = dict(line["request"]["subscribe"]["framework_info"])
    identifier = info.pop("id", {"value": None})["value"]
    return Framework(info, lambda: leader.address, identifier)


def begin(line: Line, master: ReplayMaster, path: str = SCHEDULER) -> Stream:
    """Take the SUBSCRIBE, which must be as recorded, and answer it as recorded."""
    request = master.request()
    assert (request.method, request.path) == ("POST", path)
    assert request.body == json.dumps(line["request"], separators=(",", ":")).encode()
    assert request.headers["Content-Type"] == request.headers["Accept"] == "application/json"
    assert "Mesos-Stream-Id" not in request.headers
    return request.begin_stream(line["headers"])


def built(request: Line) -> calls.Call:
    """The same call from our own builders, as far as they can be told from the recorded one."""
    kind = request["type"]
    body = request.get(kind.lower(), {})
    refuse_s = body.get("filters", {}).get("refuse_seconds")
    match kind:
        case "ACCEPT":
            [operation] = body["operations"]
            offers = [each["value"] for each in body["offer_ids"]]
            return calls.accept(offers, operation["launch"]["task_infos"], refuse_s)
        case "DECLINE":
            return calls.decline([each["value"] for each in body["offer_ids"]], refuse_s)
        case "ACKNOWLEDGE":
            return calls.acknowledge(body | {"state": "TASK_RUNNING", "timestamp": 1.0})
        case "RECONCILE":
            return calls.reconcile((each["task_id"]["value"], each["agent_id"]["value"]) for each in body["tasks"])
        case "KILL":
            grace_s = body["kill_policy"]["grace_period"]["nanoseconds"] / 1e9
            return calls.kill(body["task_id"]["value"], body["agent_id"]["value"], grace_s)
        case "TEARDOWN":
            return calls.teardown()
        case "SUPPRESS":
            return calls.suppress()
        case "REVIVE":
            return calls.revive()
    raise AssertionError(kind)


def replay_call(line: Line, framework: Framework, master: ReplayMaster) -> None:
    """Make the recorded call, which must go out as recorded; answer as recorded: it must be taken as accepted."""
    outcome = framework.call(*built(line["request"]))
    request = master.request()
    assert (request.method, request.path) == ("POST", SCHEDULER)
    assert request.body == json.dumps(line["request"], separators=(",", ":")).encode()
    if "stream_id" in line:
        assert request.headers["Mesos-Stream-Id"] == line["stream_id"]
    request.answer(line["status"], line["headers"], line["body"])
    outcome.result(timeout=20)


def replay_bad_call(line: Line, master: ReplayMaster) -> MesosError:
    """Make a call that the client's own functions cannot make; return the error that its answer becomes."""
    with ExitStack() as stack:
        connection = http.client.HTTPConnection(master.address, timeout=20)
        stack.callback(connection.close)
        request = line["request"]
        headers = {"Mesos-Stream-Id": line["stream_id"]} if line["stream_id"] else {}
        connection.request("POST", SCHEDULER, request if isinstance(request, str) else json.dumps(request), headers)
        master.request().answer(line["status"], line["headers"], line["body"])
        response = connection.getresponse()
        return error_of(master.address, response.status, response.read().decode())


def test_the_conversation_with_one_master(masters: list[ReplayMaster]) -> None:
    master = masters[0]
    recorded = lines("conversation.jsonl")
    frameworks: dict[str, Framework] = {}
    streams: dict[str, Stream] = {}
    expected: dict[str, list[Any]] = {}
    conn = ""
    bad: list[type[MesosError]] = []
    with ExitStack() as stack:
        for line in recorded:
            conn = line.get("conn", conn)
            match line["kind"]:
                case "subscribe":
                    frameworks[conn] = stack.enter_context(framework_of(line, master))
                    streams[conn] = begin(line, master)
                    expected[conn] = []
                case "event":
                    streams[conn].send(record(line))
                    if line["event"]["type"] != "HEARTBEAT":
                        expected[conn].append(line["event"])
                        frameworks[conn].wait_for_events(len(expected[conn]))
                case "call" if line["status"] == 202:
                    replay_call(line, frameworks[conn], master)
                case "call":
                    bad.append(type(replay_bad_call(line, master)))
                case "stream_end" if conn == "second":
                    break  # TEARDOWN's answer was recorded before, the end of the stream came first
                case "stream_end":
                    streams[conn].end()
        second = frameworks["second"]
        streams["second"].end()
        assert second.outcome.result(timeout=20) is None  # its own TEARDOWN: no error, no new subscription
        assert frameworks["main"].client.framework_id == second.client.framework_id
        with pytest.raises(FrameworkFailedOverError, match="Framework failed over"):
            frameworks["main"].outcome.result(timeout=20)
        removed = recorded[-3:]
        assert removed[0]["conn"] == "after-teardown"
        late = stack.enter_context(framework_of(removed[0], master))
        stream = begin(removed[0], master)
        stream.send(record(removed[1]))
        stream.end()
        with pytest.raises(FrameworkRemovedError, match="Framework has been removed"):
            late.outcome.result(timeout=20)
        assert late.disconnects == []  # it was never subscribed
    assert {conn: frameworks[conn].events for conn in frameworks} == expected
    assert late.events == [removed[1]["event"]]
    assert bad == [WrongStreamError, WrongStreamError, InvalidCallError, InvalidCallError, InvalidCallError]
    assert len(frameworks["main"].disconnects) == len(second.disconnects) == 1
    assert master.is_idle()


def test_the_fail_over_between_two_masters(masters: list[ReplayMaster], caplog: pytest.LogCaptureFixture) -> None:
    by_port = {5050: masters[0], 5060: masters[1]}

    def here(headers: dict[str, str]) -> dict[str, str]:
        """The recorded headers, with the address of our own master on that port."""
        where = re.sub(r"127\.0\.0\.1:(\d+)", lambda match: by_port[int(match[1])].address, headers.get("Location", ""))
        return headers | ({"Location": where} if where else {})

    recorded = lines("failover.jsonl")
    asked = [by_port[5050]]
    first = recorded[0]["request"]["subscribe"]["framework_info"]
    expected: list[Any] = []
    stream: Stream | None = None
    path = SCHEDULER
    with Framework(first, lambda: asked[0].address) as framework:
        for line in recorded:
            match line["kind"]:
                case "subscribe" if line["status"] == 307:
                    # A redirect is followed at once. Before an election a master redirects to itself, and after the
                    # third time the client backs off. After the leader's death the redirect is to a closed port.
                    for _ in range(3 if line["conn"] == "too-early" else 1):
                        request = by_port[line["to_port"]].request()
                        assert request.json == line["request"]
                        request.answer(307, here(line["headers"]))
                    path = SCHEDULER
                    if line["conn"] == "too-early":
                        asked[0] = by_port[5060]
                    elif line["conn"] == "to-non-leader":
                        path = "/master/api/v1/scheduler"  # as its Location says
                        continue
                    framework.client.master_changed(asked[0].address)  # what ZooKeeper would report: retry now
                case "subscribe":
                    stream = begin(line, by_port[line["to_port"]], path)
                case "event":
                    assert stream is not None
                    stream.send(record(line))
                    if line["event"]["type"] != "HEARTBEAT":
                        expected.append(line["event"])
                        framework.wait_for_events(len(expected))
                case "call" if line["status"] == 202:
                    replay_call(line, framework, by_port[line["to_port"]])
                case "stream_end" if line["conn"] == "first":  # the leader is killed
                    assert stream is not None
                    asked[0] = by_port[5060]
                    stream.break_off()
                    by_port[5050].close()
                    framework.wait_for(lambda: framework.disconnects)
                case "stream_end":  # the master ends it before it answers the TEARDOWN that comes next
                    assert stream is not None
                    outcome = framework.call(*calls.teardown())
                    request = by_port[5060].request()
                    stream.end()
                    framework.wait_for(lambda: len(framework.disconnects) == 2)
                    request.answer(202, {"Content-Length": "0"})
                    outcome.result(timeout=20)
                    assert framework.outcome.result(timeout=20) is None
                    break
                case _:
                    pass  # the plain GETs have their own test; our client never calls a master that it has left
    assert framework.events == expected
    assert [event["type"] for event in expected].count("SUBSCRIBED") == 2
    warnings = [entry.getMessage() for entry in caplog.records if entry.name.endswith("mesos.client")]
    assert [line.partition(":")[0].partition(" after ")[0] for line in warnings] == [
        "Mesos is down",
        "Mesos is back",
        "Mesos is down",
        "Mesos is back",
    ]


def test_a_sandbox_is_read_through_the_agent_as_recorded(masters: list[ReplayMaster]) -> None:
    agent = masters[0]
    recorded = {line["path"]: line for line in lines("failover.jsonl") if line.get("to") == "agent"}
    asked = []

    def answer(path: str) -> None:
        request = agent.request()
        assert request.method == "GET"
        asked.append(unquote(request.path))
        line = recorded[path]
        request.answer(line["status"], line["headers"], line["body"])

    sandbox = Sandbox(agent.address, "SANDBOX")
    listing = "/files/browse?path=SANDBOX"
    end = "/files/read?path=SANDBOX/stdout&offset=-1"
    page = "/files/read?path=SANDBOX/stdout&offset=0&length=200"
    none = "/files/read?path=SANDBOX/none&offset=0"
    with ThreadPoolExecutor(1) as pool:
        files = pool.submit(sandbox.files)
        # The recorded length of the body counts the path that SANDBOX stands for.
        recorded[listing]["headers"]["Content-Length"] = str(len(recorded[listing]["body"]))
        answer(listing)
        assert files.result(timeout=20) == {"stderr": 549, "stdout": 20}
        text = pool.submit(lambda: "".join(sandbox.read("stdout")))
        answer(end)
        answer(page)
        assert text.result(timeout=20) == "hello from the task\n"
        missing = pool.submit(sandbox.size_bytes, "none")
        answer(none)
        with pytest.raises(UserError, match=f"Mesos agent {agent.address} has no SANDBOX/none"):
            missing.result(timeout=20)
    assert asked == [listing, end, page.replace("200", "20"), none.replace("=0", "=-1")]
