"""Spark's standalone cluster as tasks of the scheduler: there while cluster.toml asks for it, each on its worker."""

from typing import Any

import pytest

from sensorpi.common.cluster.model import Cluster
from sensorpi.mesos_node.mesos.calls import Call
from sensorpi.mesos_node.scheduler.core.view import status
from tests.fakes.clusters import cluster_of, spark_cluster_of
from tests.fakes.mesos_events import kinds, launched, offer, offers, update
from tests.fakes.scheduler_core import Scheduler, killed

DAEMONS = {"spark-master": "w0", "spark-worker-0": "w0", "spark-worker-1": "w1", "spark-worker-2": "w2"}


class SparkScheduler(Scheduler):
    """A scheduler whose workers offer 2 GB and all of Spark's ports."""

    def __init__(self, cluster: Cluster | None = None) -> None:
        super().__init__(cluster or spark_cluster_of(3))

    def with_file(self, cluster: Cluster) -> list[str]:
        """The workloads that the next scheduler ends, after an edit of cluster.toml."""
        return sorted(each.partition(".")[0] for each in killed(self.start_again(cluster)))

    def launch_all(self) -> dict[str, dict[str, Any]]:
        """What is launched when each worker makes an offer."""
        return launched(self.offer_all())

    def offer_all(self, hosts: int = 3, **more: Any) -> list[Call]:
        return super().offer_all(hosts, **{"mem": 2048.0, "ports": ((7000, 7089),), **more})

    def daemons(self) -> dict[str, str]:
        """The states of Spark's daemons by name, as the API shows them."""
        return {each["name"]: each["state"] for each in status(self.core, None)["spark"]}


@pytest.fixture
def scheduler() -> SparkScheduler:
    return SparkScheduler()


def test_daemons_are_at_home_and_the_job_comes_last(scheduler: SparkScheduler) -> None:
    tasks = scheduler.launch_all()
    assert {name: tasks[name]["agent_id"]["value"].removeprefix("agent-") for name in DAEMONS} == DAEMONS
    assert list(tasks).index("job") > list(tasks).index("spark-worker-0")
    assert scheduler.daemons() == dict.fromkeys(DAEMONS, "starting")


@pytest.mark.parametrize(
    ("name", "cpus", "mem_mb", "ports", "words"),
    [
        ("spark-master", 0.1, 150, [7077, 7082], "master --node w0"),
        ("spark-worker-1", 1, 582, [7078, 7081, 7083], "worker --node w1"),
    ],
)
def test_a_daemons_task(
    scheduler: SparkScheduler, name: str, cpus: float, mem_mb: float, ports: list[int], words: str
) -> None:
    task = scheduler.launch_all()[name]
    resources = {each["name"]: each for each in task["resources"]}
    assert resources["cpus"]["scalar"]["value"] == cpus
    assert resources["mem"]["scalar"]["value"] == mem_mb
    assert [each["begin"] for each in resources["ports"]["ranges"]["range"]] == ports
    assert task["command"]["value"] == f"exec sensorpi spark {words}"
    assert task["command"]["user"] == "sensorpi-spark"
    assert {"name": "PYTHONPATH", "value": "/usr/share/sensorpi-spark/python"} in task["command"]["environment"][
        "variables"
    ]
    assert task["health_check"]["tcp"] == {"port": ports[-1]}
    assert task["kill_policy"]["grace_period"]["nanoseconds"] > 0


def test_a_worker_has_the_cores_and_the_memory_of_the_file() -> None:
    scheduler = SparkScheduler(spark_cluster_of(3, "worker_cores = 3\nexecutor_heap_mb = 256\n"))
    task = scheduler.launch_all()["spark-worker-2"]
    assert [each["scalar"]["value"] for each in task["resources"][:2]] == [3, 150 + 256 + 240 + 2 * 80]


def test_the_drivers_ports_are_its_own_on_a_cluster_only(scheduler: SparkScheduler) -> None:
    names = [each["name"] for each in SparkScheduler(cluster_of(3)).launch_all()["job"]["resources"]]
    assert names == ["cpus", "mem"]
    [ports] = [each for each in scheduler.launch_all()["job"]["resources"] if each["name"] == "ports"]
    assert ports["ranges"]["range"] == [{"begin": 7079, "end": 7079}, {"begin": 7080, "end": 7080}]


def test_a_daemon_starts_again_at_home_after_a_doubling_delay(scheduler: SparkScheduler) -> None:
    delays = []
    for _ in range(5):
        scheduler.launch_all()
        scheduler.report("spark-worker-1", "FAILED")
        delays.append(scheduler.workload("spark-worker-1").retry_s - scheduler.now_s)
        assert "spark-worker-1" not in scheduler.launch_all()
        scheduler.now_s += delays[-1]
    assert delays == [10, 20, 40, 60, 60]
    assert "spark-worker-1" not in launched(scheduler.give(offers(offer("w2", mem=9999))))
    assert scheduler.launch_all()["spark-worker-1"]["agent_id"]["value"] == "agent-w1"


def test_the_job_leaves_room_for_what_waits_for_its_retry(scheduler: SparkScheduler) -> None:
    rooms = [offer("w1", mem=320.0 + 582, ports=((7000, 7089),))]
    scheduler.give(offers(*rooms))
    scheduler.report("spark-worker-1", "FAILED")
    assert not launched(scheduler.give(offers(offer("w1", mem=582.0, ports=((7002, 7089),)))))
    scheduler.now_s += 10
    due = launched(scheduler.give(offers(offer("w1", mem=582.0, ports=((7002, 7089),)))))
    assert list(due) == ["spark-worker-1"]


def test_a_daemon_of_an_unreachable_agent_never_runs_twice(scheduler: SparkScheduler) -> None:
    scheduler.run_all()
    old = scheduler.task("spark-worker-1")
    scheduler.report("spark-worker-1", "UNREACHABLE", uuid=False)
    rest = offer("w1", mem=1000.0, ports=((7002, 7077), (7079, 7080)))  # the old task still has its ports
    assert not launched(scheduler.give(offers(rest)))
    assert killed(scheduler.give(update(old.id, "RUNNING", old.agent_id, uuid=False))) == [old.id]
    scheduler.give(update(old.id, "KILLED", old.agent_id))
    assert list(scheduler.launch_all()) == ["spark-worker-1"]


def test_another_scheduler_takes_the_daemons_over(scheduler: SparkScheduler) -> None:
    scheduler.run_all()
    assert scheduler.with_file(spark_cluster_of(3)) == []
    calls = scheduler.give(update("spark-master.w0.0123", "RUNNING", "agent-w0"))
    assert "KILL" in kinds(calls)
    assert scheduler.daemons() == dict.fromkeys(DAEMONS, "running")


@pytest.mark.parametrize("name", ["spark-master", "spark-worker-0"])
def test_an_unknown_daemon_is_adopted_at_home_only(scheduler: SparkScheduler, name: str) -> None:
    scheduler.give(update(f"{name}.w0.0123", "RUNNING", "agent-w0", uuid=False, healthy=True))
    assert scheduler.daemons()[name] == "running"
    calls = scheduler.give(update("spark-worker-2.w1.0123", "RUNNING", "agent-w1", uuid=False))
    assert "KILL" in kinds(calls)
    assert name not in scheduler.launch_all()


def test_back_to_local_ends_them_and_restarts_the_job(scheduler: SparkScheduler) -> None:
    scheduler.run_all()
    assert scheduler.with_file(cluster_of(3)) == ["job", *DAEMONS]
    assert scheduler.daemons() == dict.fromkeys(DAEMONS, "stopping")
    for name in ("job", *DAEMONS):
        scheduler.report(name, "KILLED")
    assert scheduler.daemons() == {}
    assert list(scheduler.launch_all()) == ["job"]
    scheduler.core.declare()
    assert not set(DAEMONS) & set(scheduler.state.workloads)
    scheduler.start(spark_cluster_of(3), scheduler.state)
    assert set(scheduler.launch_all()) == set(DAEMONS)


def test_a_change_of_the_workers_is_carried_out_at_once(scheduler: SparkScheduler) -> None:
    scheduler.run_all()
    assert scheduler.with_file(spark_cluster_of(3, "executor_heap_mb = 256\n")) == [
        "spark-worker-0", "spark-worker-1", "spark-worker-2",
    ]  # fmt: skip


def test_a_master_that_moves_starts_on_its_new_home(scheduler: SparkScheduler) -> None:
    scheduler.run_all()
    moved = spark_cluster_of(3, host="w2")
    assert scheduler.with_file(moved) == ["job", *DAEMONS]
    scheduler.report("spark-master", "KILLED")
    assert scheduler.launch_all()["spark-master"]["agent_id"]["value"] == "agent-w2"


def test_a_worker_that_left_the_file_takes_its_daemon_with_it(scheduler: SparkScheduler) -> None:
    scheduler.run_all()
    assert scheduler.with_file(spark_cluster_of(2)) == ["spark-worker-2"]
