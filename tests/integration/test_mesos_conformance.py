"""The recorded conversations with the stand-in, and with a real Mesos where there is one: the answers are the same."""

import json
import re
import signal
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient

from tests.fakes.mesos_recorder import SCHEDULER, Answer, Json, Subscription, ask, normal, text
from tests.fakes.mesos_recordings import DIRECTORY, Line, lines
from tests.integration.mesos_fixture import MesosCluster, real_mesos
from tests.integration.ports import ports_in_a_row
from tests.integration.waiting import wait_until

__all__ = ["real_mesos"]

TALK = lines("conversation.jsonl")
FAIL_OVER = lines("failover.jsonl")
INFO = TALK[0]["request"]["subscribe"]["framework_info"]


def first_port() -> int:
    """Takes the place of 31000 in the recordings, whose tasks have ports up to 31010."""
    return ports_in_a_row(11)


def heads(answer: Answer | Subscription) -> Any:
    """Status and headers, as far as they must be the same."""
    status, headers = (answer.status, answer.headers) if isinstance(answer, Subscription) else answer[:2]
    return status, {name: value for name, value in normal(headers, 31000).items() if name != "Content-Length"}


def recorded_head(line: Line) -> Any:
    """The same of a recorded answer."""
    return heads((line["status"], line["headers"], ""))


def state_of(address: str) -> Json:
    """The /state of a master or an agent."""
    state: Json = json.loads(ask(address, "/state")[2])
    return state


def calls_of(kind: str) -> list[Line]:
    """The recorded calls of one type."""
    return [line for line in TALK if line["kind"] == "call" and isinstance(line["request"], dict)
            and line["request"]["type"] == kind]  # fmt: skip


def by_subject(events: list[Json], port: int) -> dict[str, list[str]]:
    """The updates of each task, and each other kind of event, in order; offers and heartbeats vary and are left out."""
    sorted_out = defaultdict(list)
    for event in events:
        subject = event["type"]
        if subject == "UPDATE":
            subject = event["update"]["status"]["task_id"]["value"]
        if subject not in ("OFFERS", "HEARTBEAT"):
            sorted_out[subject].append(text(event, port))
    return dict(sorted_out)


def recorded_events(recording: list[Line], *connections: str) -> list[Json]:
    """The events of these connections."""
    return [line["event"] for line in recording if line["kind"] == "event" and line["conn"] in connections]


def adapted(value: Any, port: int, ids: dict[str, str]) -> Any:
    """A recorded request, with the ids and ports of this conversation."""
    moved = json.dumps(value)
    for number in range(31000, 31101):
        moved = moved.replace(str(number), str(number + port - 31000))
    for recorded, here in ids.items():
        moved = moved.replace(recorded, here)
    return json.loads(moved)


def test_the_conversation_goes_as_recorded(tmp_path: Path, real_mesos: bool) -> None:
    port = first_port()
    with MesosCluster(tmp_path, hostnames=("127.0.0.1",), real=real_mesos, ports=f"{port}-{port + 100}") as mesos:
        address = mesos.leader.address
        wait_until(lambda: len(state_of(address)["slaves"]) == 1, "the agent at the master")
        main = Subscription(address, INFO)
        assert heads(main) == recorded_head(TALK[0])
        offer = main.first("OFFERS")["offers"]["offers"][0]
        assert [event["type"] for event in main.events[:3]] == ["SUBSCRIBED", "HEARTBEAT", "OFFERS"]
        assert text(main.events[2], port) == text(TALK[3]["event"])
        recorded_offer = TALK[3]["event"]["offers"]["offers"][0]
        ids = {
            recorded_offer["id"]["value"]: offer["id"]["value"],
            recorded_offer["agent_id"]["value"]: offer["agent_id"]["value"],
            recorded_offer["framework_id"]["value"]: offer["framework_id"]["value"],
        }

        def call(line: Line, to: Subscription, **more: Any) -> Answer:
            """Make the recorded call here: the answer must be the same."""
            request = adapted(line["request"], port, ids)
            body = request.get(request["type"].lower())
            answer = to.call(request["type"], None if body is None else body | more)
            assert heads(answer) == recorded_head(line), answer
            assert answer[2] == line["body"] == ""
            return answer

        launch, dropped, too_big = calls_of("ACCEPT")
        call(launch, main)
        main.wait(lambda: any(status.get("healthy") for status in main.statuses("web")), "web healthy")
        for task, state_at_end in (("finishes", "FINISHED"), ("fails", "FAILED"), ("unhealthy", "KILLED")):
            main.wait_for_state(task, f"TASK_{state_at_end}")
        explicit, implicit = calls_of("RECONCILE")
        call(explicit, main)
        main.wait_for_state("never-was", "TASK_GONE")
        call(implicit, main)
        main.wait(lambda: len(main.statuses("web")) == 5, "implicit reconciliation")
        for line in [line for line in TALK if line.get("status") == 400]:
            stream_id = line["stream_id"] and line["stream_id"].replace(
                TALK[0]["headers"]["Mesos-Stream-Id"], main.headers["Mesos-Stream-Id"]
            )
            request = line["request"] if isinstance(line["request"], str) else adapted(line["request"], port, ids)
            answer = ask(address, SCHEDULER, request, stream_id)
            assert heads(answer) == recorded_head(line)
            assert normal(answer[2], port) == normal(line["body"], 31000)
            assert answer[1]["Content-Length"] == str(len(answer[2]))
        call(dropped, main)
        main.wait_for_state("lost", "TASK_DROPPED")
        call(calls_of("SUPPRESS")[-1], main)
        call(calls_of("REVIVE")[0], main)
        main.wait(lambda: len(main.offers()) == 3, "what `unhealthy` held is on offer again")
        last = main.offers()[-1]
        assert text(last, port) == text(recorded_events(TALK, "main")[19]["offers"]["offers"][0])
        call(too_big, main, offer_ids=[last["id"]])
        main.wait_for_state("toobig", "TASK_ERROR")
        call(calls_of("DECLINE")[0], main, offer_ids=[last["id"]])

        second = Subscription(address, INFO, main.framework_id)
        main.wait(lambda: main.ended_with == "end", "the first stream ends")
        second.first("OFFERS")
        assert [event["type"] for event in second.events[:3]] == ["SUBSCRIBED", "HEARTBEAT", "OFFERS"]
        assert text(second.events[2], port) == text(recorded_events(TALK, "second")[2])
        call(calls_of("KILL")[0], second)
        second.wait_for_state("web", "TASK_KILLED")
        call(calls_of("TEARDOWN")[0], second)
        second.wait(lambda: second.ended_with == "end", "the second stream ends")
        late = Subscription(address, INFO, main.framework_id)
        assert heads(late) == recorded_head(TALK[0])
        late.wait(lambda: late.ended_with == "end", "the late stream ends")
        for subscription, conn in ((main, "main"), (second, "second"), (late, "after-teardown")):
            assert by_subject(subscription.events, port) == by_subject(recorded_events(TALK, conn), 31000)


def test_the_fail_over_goes_as_recorded(tmp_path: Path, real_mesos: bool) -> None:
    port = first_port()
    by_note = {line["path"]: line for line in FAIL_OVER if line["kind"] == "get"}
    subscribes = {line["conn"]: line for line in FAIL_OVER if line["kind"] == "subscribe"}
    ports = f"{port}-{port + 100}"
    with MesosCluster(tmp_path, masters=2, real=real_mesos, ports=ports) as mesos:
        leader, agent = mesos.leader, mesos.agents[0]
        [other] = [each for each in mesos.masters if each is not leader]
        wait_until(other.follows, "the other master knows the leader")
        for path in ("/master/redirect", "/state", "/master/state"):
            answer = ask(other.address, path)
            assert (heads(answer), answer[2]) == (recorded_head(by_note[path] | {"status": 307}) if path != "/state"
                                                  else recorded_head(FAIL_OVER[6]), "")  # fmt: skip
        assert heads(Subscription(other.address, INFO)) == recorded_head(subscribes["to-non-leader"])
        wait_until(lambda: len(state_of(leader.address)["slaves"]) == 1, "the agent at the master")

        first = Subscription(leader.address, INFO)
        assert heads(first) == recorded_head(subscribes["first"])
        offer = first.first("OFFERS")["offers"]["offers"][0]
        task = next(line for line in FAIL_OVER if line["kind"] == "call")["request"]["accept"]["operations"]
        ids = {task[0]["launch"]["task_infos"][0]["agent_id"]["value"]: offer["agent_id"]["value"]}
        accept = {"offer_ids": [offer["id"]], "operations": adapted(task, port, ids)}
        assert first.call("ACCEPT", accept)[0] == 202
        first.wait_for_state("long", "TASK_RUNNING")
        assert by_subject(first.events, port) == by_subject(recorded_events(FAIL_OVER, "first"), 31000)
        task_pid = first.statuses("long")[-1]["container_status"]["executor_pid"]

        frameworks = json.loads(ask(agent.address, "/state")[2])["frameworks"]
        sandbox = frameworks[0]["executors"][0]["directory"]
        stdout = f"/files/read?path={sandbox}/stdout&offset=0"
        wait_until(lambda: "hello" in ask(agent.address, stdout)[2], "the task's output in its log")
        for path, line in by_note.items():
            if path.startswith("/files"):
                asked = path.replace("SANDBOX", sandbox)
                answer = ask(agent.address, asked)
                assert heads(answer) == recorded_head(line)
                here, there = answer[2].replace(sandbox, "SANDBOX"), line["body"]
                if "browse" in path:
                    sizes = [[{**each, "size": 0, "mtime": 0.0} for each in json.loads(body)] for body in (here, there)]
                    assert [list(each) for each in sizes[0]] == [list(each) for each in sizes[1]]
                    assert sizes[0] == sizes[1]
                else:
                    assert here == there

        leader.kill()
        first.wait(lambda: first.ended_with is not None, "the stream breaks")
        assert first.ended_with in ("IncompleteRead", "ConnectionResetError")
        on_the_way = Subscription(other.address, INFO, first.framework_id)
        assert heads(on_the_way) == recorded_head(subscribes["retry0"])
        assert mesos.leader is other
        again = Subscription(other.address, INFO, first.framework_id)
        assert heads(again) == recorded_head(subscribes["retry4"])
        assert again.framework_id == first.framework_id
        again.first("OFFERS")
        known = {"tasks": [{"task_id": {"value": "long"}, "agent_id": offer["agent_id"]}]}
        for count in (1, 2):
            assert again.call("RECONCILE", known)[0] == 202
            again.wait(lambda count=count: len(again.statuses("long")) == count, "reconciled")  # type: ignore[misc]
        agent.kill()
        again.first("RESCIND")
        again.first("FAILURE")
        again.call("RECONCILE", known)
        again.wait(lambda: len(again.statuses("long")) == 4, "unreachable")
        agent.start()
        again.wait_for_state("long", "TASK_RUNNING")
        again.call("RECONCILE", known)
        again.wait(lambda: len(again.statuses("long")) == 6, "reconciled after all")
        again.wait(lambda: len(again.offers()) == 2, "offers of the agent that is back")
        assert again.statuses("long")[-1]["container_status"]["executor_pid"] == task_pid
        summary = json.loads(ask(other.address, "/state")[2])
        expected = json.loads(by_note["/state"]["body"])
        assert normal({name: summary[name] for name in expected}, port) == normal(expected, port)
        assert again.call("TEARDOWN")[0] == 202
        again.wait(lambda: again.ended_with == "end", "the end")
        assert by_subject(again.events, port) == by_subject(recorded_events(FAIL_OVER, "retry4"), 31000)
        recorded_offers = [e for e in recorded_events(FAIL_OVER, "retry4") if e["type"] == "OFFERS"]
        offers = [e for e in again.events if e["type"] == "OFFERS"]
        assert [text(each, port) for each in offers] == [text(each) for each in recorded_offers]


def test_a_master_stands_in_zookeeper_as_recorded(tmp_path: Path, real_mesos: bool) -> None:
    with MesosCluster(tmp_path, hostnames=(), real=real_mesos) as mesos:
        master = mesos.leader
        zookeeper = KazooClient(mesos.zookeeper.hosts)
        zookeeper.start()
        try:
            [name] = [each for each in zookeeper.get_children("/mesos") if each.startswith("json.info_")]
            content, status = zookeeper.get(f"/mesos/{name}")
        finally:
            zookeeper.stop()
            zookeeper.close()
        [(recorded_name, recorded)] = json.loads((DIRECTORY / "zookeeper-mesos-znode.json").read_text()).items()
        assert re.fullmatch(r"json\.info_\d{10}", name)
        assert re.fullmatch(r"json\.info_\d{10}", recorded_name)
        assert status.ephemeralOwner != 0
        assert text(json.loads(content)) == text(json.loads(recorded))
        assert json.loads(content)["port"] == master.port


def test_a_leader_whose_node_is_gone_ends_itself(tmp_path: Path, real_mesos: bool) -> None:
    with MesosCluster(tmp_path, hostnames=(), real=real_mesos) as mesos:
        leader = mesos.leader
        zookeeper = KazooClient(mesos.zookeeper.hosts)
        zookeeper.start()
        try:
            [name] = [each for each in zookeeper.get_children("/mesos") if each.startswith("json.info_")]
            zookeeper.delete(f"/mesos/{name}")
        finally:
            zookeeper.stop()
            zookeeper.close()
        wait_until(lambda: not leader.running, "the leader's end", 40)


def test_a_leader_without_zookeeper_ends_itself(tmp_path: Path, real_mesos: bool) -> None:
    with MesosCluster(tmp_path, hostnames=(), real=real_mesos) as mesos:
        leader = mesos.leader
        mesos.zookeeper.end(signal.SIGKILL)
        wait_until(lambda: not leader.running, "the leader's end", 40)


def test_agent_refuses_less_than_before_and_accepts_more(tmp_path: Path, real_mesos: bool) -> None:
    with MesosCluster(tmp_path, real=real_mesos) as mesos:
        address, [agent] = mesos.leader.address, mesos.agents
        wait_until(lambda: len(state_of(address)["slaves"]) == 1, "the agent at the master")
        [before] = state_of(address)["slaves"]
        agent.kill()
        at = agent.command.index(agent.resources)
        agent.command[at] = agent.resources.replace("mem:2048", "mem:1024")
        agent.start()
        wait_until(lambda: not agent.running, "the refusal")
        assert agent.process is not None
        assert agent.process.returncode != 0
        assert "Failed to perform recovery" in agent.output()
        agent.command[at] = agent.resources.replace("mem:2048", "mem:4096")
        agent.start()
        wait_until(lambda: state_of(address)["slaves"][0]["resources"]["mem"] == 4096.0, "the agent with more")
        assert state_of(address)["slaves"][0]["id"] == before["id"]


@pytest.mark.parametrize("program", ["mesos-master", "mesos-agent"])
@pytest.mark.parametrize(
    ("flag", "unknown"), [("--unheard_of=1", "unheard_of"), ("--no-such_flag", "such_flag")], ids=["plain", "negated"]
)
def test_an_unknown_flag_is_an_error(tmp_path: Path, program: str, flag: str, unknown: str, real_mesos: bool) -> None:
    with MesosCluster(tmp_path, real=real_mesos) as mesos:
        process = (mesos.masters if program == "mesos-master" else mesos.agents)[0]
        process.end()
        process.command.append(flag)
        process.start()
        wait_until(lambda: not process.running, "the refusal")
        assert process.process is not None
        assert process.process.returncode == 1
        assert f"Failed to load unknown flag '{unknown}'" in process.output()
