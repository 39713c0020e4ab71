"""The client with ZooKeeper and the stand-in: leaders come and go, tasks stay, and the framework is the same."""

import itertools
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient

from sensorpi.common.errors import UserError
from sensorpi.mesos_node.mesos import calls
from sensorpi.mesos_node.mesos.master_detector import MasterDetector
from sensorpi.mesos_node.mesos.sandbox import find_sandbox
from tests.fakes.mesos_framework import Framework
from tests.fakes.mesos_recordings import lines
from tests.integration.mesos_fixture import MesosCluster
from tests.integration.waiting import wait_until

INFO = lines("conversation.jsonl")[0]["request"]["subscribe"]["framework_info"]


@pytest.fixture
def mesos(tmp_path: Path) -> Iterator[MesosCluster]:
    with MesosCluster(tmp_path, masters=2) as cluster:
        leader = cluster.leader
        wait_until(
            lambda: all(each is leader or each.follows() for each in cluster.masters), "the other master follows"
        )
        yield cluster


@pytest.fixture
def finder(mesos: MesosCluster) -> Iterator[MasterDetector]:
    zookeeper = KazooClient(mesos.zookeeper.hosts, timeout=2.0)
    zookeeper.start()
    yield MasterDetector(zookeeper, timeout_s=2.0)
    zookeeper.stop()
    zookeeper.close()


def launch(framework: Framework, command: str) -> Any:
    """Launch a task called `task` on the first offer; return the offer."""
    framework.wait_for(lambda: any(event["type"] == "OFFERS" for event in framework.events), "an offer")
    offer = next(event for event in framework.events if event["type"] == "OFFERS")["offers"]["offers"][0]
    task = {
        "name": "task",
        "task_id": {"value": "task"},
        "agent_id": offer["agent_id"],
        "resources": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}}],
        "command": {"shell": True, "value": command},
    }
    framework.client.call(*calls.accept([offer["id"]["value"]], [task]))
    framework.wait_for(lambda: framework.states("task")[-1:] == ["TASK_RUNNING"], "the task runs")
    return offer


def following(finder: MasterDetector, framework_id: str | None = None) -> Framework:
    """A framework that finds its master through ZooKeeper and acknowledges every status."""
    framework: Framework

    def acknowledge(event: Any) -> None:
        if event["type"] == "UPDATE" and calls.needs_acknowledgement(event["update"]["status"]):
            framework.client.call(*calls.acknowledge(event["update"]["status"]))

    framework = Framework(INFO, finder.detect, framework_id, acknowledge)
    finder.watch(framework.client.master_changed)
    return framework


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_framework_moves_to_a_new_leader_and_its_task_runs_on(
    mesos: MesosCluster, finder: MasterDetector, how: signal.Signals
) -> None:
    leader = mesos.leader
    with following(finder) as framework:
        launch(framework, "exec sleep 600")
        framework_id, pid = framework.client.framework_id, framework.statuses("task")[-1]["container_status"]
        assert leader.process is not None
        leader.process.send_signal(how)
        again = framework.wait_for(
            lambda: [event for event in framework.events if event["type"] == "SUBSCRIBED"][1:], "subscribed again"
        )
        assert framework.client.master != leader.address
        assert again[0]["subscribed"]["framework_id"]["value"] == framework_id
        # The agent may register with the new master after us; until then the task's state is not known.
        wait_until(lambda: is_reconciled(framework), "the new leader knows the task")
        assert framework.states("task")[-1] == "TASK_RUNNING"
        assert framework.statuses("task")[-1]["container_status"] == pid
        assert len(framework.disconnects) == 1
        framework.client.call(*calls.teardown())


def is_reconciled(framework: Framework) -> bool:
    """Ask again; return whether there was an answer."""
    framework.client.call(*calls.reconcile([("task", None)]))
    return framework.statuses("task")[-1].get("reason") == "REASON_RECONCILIATION"


def test_a_second_instance_takes_the_framework_over(mesos: MesosCluster, finder: MasterDetector) -> None:
    assert mesos.leader
    with following(finder) as first:
        launch(first, "exec sleep 600")
        with following(finder, first.client.framework_id) as second:
            second.wait_for(lambda: second.events, "subscribed")
            first.wait_for(first.outcome.done, "stepped back")
            assert "Framework failed over" in str(first.outcome.exception())
            second.client.call(*calls.reconcile([("task", None)]))
            second.wait_for(lambda: second.states("task") == ["TASK_RUNNING"], "the task goes on")
            second.client.call(*calls.teardown())
            assert second.outcome.result(timeout=20) is None
        with following(finder, first.client.framework_id) as late:
            late.wait_for(late.outcome.done, "refused")
            assert "Framework has been removed" in str(late.outcome.exception())


def test_a_tasks_log_is_read_in_pages_and_from_its_end(mesos: MesosCluster, finder: MasterDetector) -> None:
    assert mesos.leader
    letters = "ä" * 49  # 99 bytes a line: pages of 64 KiB end within a character
    with following(finder) as framework:
        script = f"for i in $(seq 3000); do echo {letters}; done; printf '\\377 last'; echo all >&2; exec sleep 600"
        offer = launch(framework, script)
        address = offer["url"]["address"]
        agent = f"{address['ip']}:{address['port']}"
        sandbox = find_sandbox(agent, str(framework.client.framework_id), "task")
        wait_until(lambda: "all" in "".join(sandbox.read("stderr")), "the log is written")
        assert sandbox.files() == {"stdout": 3000 * 99 + 6, "stderr": sandbox.size_bytes("stderr")}
        assert "".join(sandbox.read("stdout")) == f"{letters}\n" * 3000 + "\ufffd last"
        assert sandbox.tail("stdout", 250) == f"{letters}\n" * 2 + "\ufffd last"
        assert "".join(sandbox.read("stdout", 3000 * 99)) == "\ufffd last"
        with pytest.raises(UserError, match=f"Mesos agent {agent} has no .*/nothing"):
            sandbox.size_bytes("nothing")
        with pytest.raises(UserError, match="has no sandbox of task other"):
            find_sandbox(agent, str(framework.client.framework_id), "other")
        framework.client.call(*calls.teardown())


def test_watch_reports_each_leader_once_and_survives_outages(mesos: MesosCluster, finder: MasterDetector) -> None:
    told: list[str | None] = []
    changed = threading.Condition()

    def tell(leader: str | None) -> None:
        with changed:
            told.append(leader)
            changed.notify_all()

    def wait_for(count: int) -> None:
        with changed:
            assert changed.wait_for(lambda: len(told) >= count, timeout=40), told

    first = mesos.leader
    [other] = [each for each in mesos.masters if each is not first]
    finder.watch(tell)
    wait_for(1)
    first.kill()
    wait_for(2)
    assert told == [first.address, other.address]
    mesos.zookeeper.kill()
    wait_until(lambda: finder.detect() is None, "ZooKeeper is unavailable")
    wait_until(lambda: not other.running, "the leader ends itself")
    mesos.zookeeper.start()
    first.start()
    wait_until(lambda: finder.detect() == first.address, "the restarted master is the leader")
    wait_until(lambda: told[-1] == first.address, "the watch reports it")
    assert all(before != after for before, after in itertools.pairwise(told))
