"""The scheduler on Mesos with real ZooKeeper: whatever dies, the tasks keep running, and none runs twice."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient

from sensorpi.common.daemon.service import HEARTBEAT
from tests.integration.scheduler_fixture import RECOVER_S, SchedulerCluster
from tests.integration.waiting import wait_until

NAMES = ("broker-0", "broker-1", "broker-2", "job")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SchedulerCluster]:
    with SchedulerCluster(tmp_path_factory.mktemp("scheduler"), masters=3) as cluster:
        yield cluster


@pytest.fixture
def cluster(running: SchedulerCluster) -> Iterator[SchedulerCluster]:
    """A cluster in which everything runs; a test may break it in ways that heal."""
    running.settle()
    yield running
    running.assert_no_doubles()


def starts(cluster: SchedulerCluster) -> dict[str, list[int]]:
    return {name: cluster.starts(name) for name in NAMES}


def job_task(cluster: SchedulerCluster) -> dict[str, Any]:
    """The job's task as the scheduler shows it; empty while it has none."""
    task: dict[str, Any] = cluster.job().get("task", {})
    return task


def job_host(cluster: SchedulerCluster) -> str:
    """Where the job is; "" while it has no task."""
    return str(job_task(cluster).get("host", ""))


def is_alive(pid: int) -> bool:
    """Whether the process has not ended."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_the_first_boot_needs_no_command(cluster: SchedulerCluster) -> None:
    brokers = json.loads(cluster.do("kafka", "broker", "list", "--json"))["brokers"]
    assert [each["task"]["host"] for each in brokers] == ["w0", "w1", "w2"]
    assert all(each["controller"] for each in brokers)
    assert cluster.do("job", "status").startswith("job: running on w")
    assert cluster.do("kafka", "broker", "log", "2").startswith("broker-2 runs with --id 2 --heap 128")
    assert cluster.do("job", "log").startswith("job runs with")


def test_a_killed_scheduler_stops_no_task(cluster: SchedulerCluster) -> None:
    before = starts(cluster)
    leader = next(each for each in cluster.schedulers if each.running)
    leader.kill()
    leader.start()
    cluster.settle()
    assert starts(cluster) == before


def test_another_scheduler_takes_over(cluster: SchedulerCluster) -> None:
    before = starts(cluster)
    [leader] = [each for each in cluster.schedulers if each.running]
    [other] = [each for each in cluster.schedulers if not each.running]
    other.start()
    wait_until(lambda: "Standing by: m" in other.output(), "the other one standing by", RECOVER_S)
    leader.kill()
    cluster.settle()
    assert "This scheduler is the leader" in other.output()
    assert starts(cluster) == before


def test_a_damaged_state_stops_no_task(cluster: SchedulerCluster) -> None:
    """The framework's id is still legible in it; Mesos reports the tasks, and their ids tell what they are."""
    before = starts(cluster)
    leader = next(each for each in cluster.schedulers if each.running)
    leader.kill()
    zookeeper = KazooClient(cluster.mesos.zookeeper.hosts)
    zookeeper.start()
    try:
        content, _ = zookeeper.get("/sensorpi/scheduler/state")
        zookeeper.set("/sensorpi/scheduler/state", content.replace(b'"active":true', b'"active":1e400'))
        leader.start()
        cluster.settle()
        assert b"1e400" in zookeeper.get("/sensorpi/scheduler/state.damaged")[0]
    finally:
        zookeeper.stop()
        zookeeper.close()
    assert starts(cluster) == before
    assert leader.output().count("/sensorpi/scheduler/state was damaged") == 1


def test_a_killed_master_stops_no_task(cluster: SchedulerCluster) -> None:
    before = starts(cluster)
    leader = cluster.mesos.leader
    leader.kill()
    wait_until(lambda: cluster.mesos.leader is not leader, "another master leading", RECOVER_S)
    leader.start()
    cluster.settle()
    cluster.do("kafka", "broker", "stop", "1", "--timeout", "1m")
    cluster.do("kafka", "broker", "start", "1", "--timeout", "1m")
    assert {name: pids[: len(before[name])] for name, pids in starts(cluster).items()} == before
    assert [len(pids) for pids in starts(cluster).values()] == [
        len(before[name]) + (name == "broker-1") for name in NAMES
    ]


def test_an_agent_that_comes_back_still_has_its_tasks(cluster: SchedulerCluster) -> None:
    before = starts(cluster)
    broker = 1 if job_host(cluster) == "w2" else 2  # the job would not be waited for
    agent = cluster.mesos.agents[broker]
    agent.kill()
    wait_until(lambda: cluster.states()[broker] == "unreachable", f"broker {broker} unreachable", RECOVER_S)
    agent.start()
    cluster.settle()
    assert starts(cluster) == before


def test_zookeeper_may_be_unavailable_for_a_while(cluster: SchedulerCluster) -> None:
    before = starts(cluster)
    leader = cluster.mesos.leader
    cluster.mesos.zookeeper.kill()
    wait_until(lambda: not leader.running, "the leading master's end", RECOVER_S)  # by design
    cluster.mesos.zookeeper.start()
    for each in (*cluster.mesos.masters, *cluster.schedulers):
        if not each.running and each is not cluster.schedulers[0]:
            each.start()
    cluster.settle()
    assert starts(cluster) == before


def test_a_broker_that_dies_is_started_again_on_its_host(cluster: SchedulerCluster) -> None:
    before = cluster.starts("broker-1")
    os.kill(before[-1], signal.SIGKILL)
    wait_until(lambda: len(cluster.starts("broker-1")) > len(before), "another start", RECOVER_S)
    cluster.settle()
    assert cluster.brokers()[1]["task"]["host"] == "w1"
    assert "--has-run" in cluster.do("kafka", "broker", "log", "1")


def test_a_broker_is_added_moved_and_removed(cluster: SchedulerCluster) -> None:
    cluster.do("kafka", "broker", "add", "5", "--constraints", "hostname=like:w1", "--mem", "300")
    cluster.do("kafka", "broker", "start", "5")
    assert cluster.brokers()[5]["task"]["host"] == "w1"
    cluster.do("kafka", "broker", "stop", "5")
    cluster.do("kafka", "broker", "update", "5", "--constraints", "hostname=like:w2", "--data-host", "w2")
    cluster.do("kafka", "broker", "start", "5")
    assert cluster.brokers()[5]["task"]["host"] == "w2"
    cluster.do("kafka", "broker", "stop", "5")
    cluster.do("kafka", "broker", "remove", "5")
    assert list(cluster.brokers()) == [0, 1, 2]


def test_the_job_moves_when_its_node_is_lost(cluster: SchedulerCluster) -> None:
    before = cluster.starts("job")
    host = job_host(cluster)
    agent = cluster.mesos.agents[int(host[1:])]
    agent.kill()
    wait_until(lambda: job_host(cluster) not in (host, ""), "the job elsewhere", RECOVER_S)
    wait_until(lambda: len(cluster.starts("job")) > len(before), "the other job", RECOVER_S)
    agent.start()
    wait_until(lambda: not is_alive(before[-1]), "the end of the one that comes back", RECOVER_S)
    cluster.settle()
    assert job_host(cluster) != host


def test_the_job_moves_when_its_node_and_the_master_are_lost(cluster: SchedulerCluster) -> None:
    """The new master reports nothing about an agent that it has not seen; the scheduler must not wait for it."""
    before = cluster.starts("job")
    host = job_host(cluster)
    agent, master = cluster.mesos.agents[int(host[1:])], cluster.mesos.leader
    agent.kill()
    master.kill()
    wait_until(lambda: job_host(cluster) not in (host, ""), "the job elsewhere", RECOVER_S)
    wait_until(lambda: len(cluster.starts("job")) > len(before), "the other job", RECOVER_S)
    assert cluster.states()[int(host[1:])] == "running"  # as far as Mesos has reported
    for each in (master, agent):
        each.start()
    wait_until(lambda: not is_alive(before[-1]), "the end of the one that comes back", RECOVER_S)
    cluster.settle()
    assert job_host(cluster) != host


def test_a_job_that_hangs_is_started_again(cluster: SchedulerCluster) -> None:
    """The age of the heartbeat in its sandbox tells: `service.notify` feeds the job's watchdog on both engines."""
    wait_until(lambda: job_task(cluster).get("healthy") is True, "the health of the job, checked from then on")
    before = cluster.starts("job")
    sandbox = Path(f"/proc/{before[-1]}/cwd").resolve()
    (sandbox / HEARTBEAT).touch()
    os.utime(sandbox / HEARTBEAT, (0, time.time() - 180))
    wait_until(lambda: len(cluster.starts("job")) > len(before), "another start", 60 + RECOVER_S)
    assert not is_alive(before[-1])
    assert "job: killed on" in cluster.log()
    assert "its health check failed; started again in 10 s" in cluster.log()
    cluster.settle()


def test_the_scheduler_needs_little(cluster: SchedulerCluster) -> None:
    process = next(each.process for each in cluster.schedulers if each.running)
    assert process is not None
    ticks = os.sysconf("SC_CLK_TCK")

    def cpu_s() -> float:
        user, system = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / ticks

    began_s = cpu_s()
    time.sleep(20)  # nothing happens in the time that is measured
    share = (cpu_s() - began_s) / 20
    print(f"scheduler: {share:.2%} of a core, {cluster.rss_mb():.0f} MB")
    assert share <= 0.01
    assert cluster.rss_mb() <= 60
