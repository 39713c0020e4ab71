"""Spark's standalone cluster as tasks of the scheduler: there while cluster.toml asks for it, each on its worker."""

from typing import Any

import pytest

from sensorpi.common.cluster.model import Cluster
from sensorpi.mesos_node.mesos.calls import Call
from sensorpi.mesos_node.scheduler.core.model import State, state_from_json
from sensorpi.mesos_node.scheduler.core.state_machine import Core
from sensorpi.mesos_node.scheduler.core.view import status
from tests.fakes.clusters import cluster_of, spark_cluster_of
from tests.fakes.mesos_events import kinds, launched, offer, offers, subscribed, update

DAEMONS = {"spark-master": "w0", "spark-worker-0": "w0", "spark-worker-1": "w1", "spark-worker-2": "w2"}


class Scheduler:
    """A core, and the time."""

    def __init__(self, cluster: Cluster | None = None) -> None:
        self.now = 1_000_000.0
        self.begin(cluster or spark_cluster_of(3), State())

    def begin(self, cluster: Cluster, state: State) -> list[Call]:
        self.core = Core(cluster, state)
        self.core.declare()
        return self.core.handle(subscribed(), self.now)

    def with_file(self, cluster: Cluster) -> list[str]:
        """The tasks that the next scheduler ends, after an edit of cluster.toml."""
        calls = self.begin(cluster, state_from_json(self.core.state.to_json()))
        return sorted(body["task_id"]["value"].partition(".")[0] for kind, body in calls if kind == "KILL" and body)

    def offer_all(self, **more: Any) -> dict[str, dict[str, Any]]:
        """What is launched when each worker offers 2 GB."""
        more = {"mem": 2048.0, "ports": ((7000, 7089),), **more}
        return launched(self.core.handle(offers(*(offer(f"w{each}", **more) for each in range(3))), self.now))

    def report(self, name: str, state: str, **more: Any) -> list[Call]:
        task = self.core.state.workloads[name].task
        assert task is not None
        return self.core.handle(update(task.id, state, task.agent_id, **more), self.now)

    def run_all(self) -> None:
        self.offer_all()
        for name in list(self.core.state.workloads):
            self.report(name, "RUNNING", healthy=True)

    def shown(self) -> dict[str, str]:
        return {each["name"]: each["state"] for each in status(self.core, None)["spark"]}


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler()


def test_the_master_and_the_workers_are_at_home_and_the_job_comes_last(scheduler: Scheduler) -> None:
    tasks = scheduler.offer_all()
    assert {name: tasks[name]["agent_id"]["value"].removeprefix("agent-") for name in DAEMONS} == DAEMONS
    assert list(tasks).index("job") > list(tasks).index("spark-worker-0")
    assert scheduler.shown() == dict.fromkeys(DAEMONS, "starting")


@pytest.mark.parametrize(
    ("name", "cpus", "mem_mb", "ports", "words"),
    [
        ("spark-master", 0.1, 150, [7077, 7082], "master --node w0"),
        ("spark-worker-1", 1, 582, [7078, 7081, 7083], "worker --node w1"),
    ],
)
def test_a_daemons_task(
    scheduler: Scheduler, name: str, cpus: float, mem_mb: float, ports: list[int], words: str
) -> None:
    task = scheduler.offer_all()[name]
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
    task = Scheduler(spark_cluster_of(3, "worker_cores = 3\nexecutor_heap_mb = 256\n")).offer_all()["spark-worker-2"]
    assert [each["scalar"]["value"] for each in task["resources"][:2]] == [3, 150 + 256 + 240 + 2 * 80]


def test_the_drivers_ports_are_its_own_on_a_cluster_only(scheduler: Scheduler) -> None:
    names = [each["name"] for each in Scheduler(cluster_of(3)).offer_all()["job"]["resources"]]
    assert names == ["cpus", "mem"]
    [ports] = [each for each in scheduler.offer_all()["job"]["resources"] if each["name"] == "ports"]
    assert ports["ranges"]["range"] == [{"begin": 7079, "end": 7079}, {"begin": 7080, "end": 7080}]


def test_a_daemon_is_started_again_at_home_after_a_doubling_delay(scheduler: Scheduler) -> None:
    delays = []
    for _ in range(5):
        scheduler.offer_all()
        scheduler.report("spark-worker-1", "FAILED")
        delays.append(scheduler.core.state.workloads["spark-worker-1"].retry_s - scheduler.now)
        assert "spark-worker-1" not in scheduler.offer_all()
        scheduler.now += delays[-1]
    assert delays == [10, 20, 40, 60, 60]
    assert "spark-worker-1" not in launched(scheduler.core.handle(offers(offer("w2", mem=9999)), scheduler.now))
    assert scheduler.offer_all()["spark-worker-1"]["agent_id"]["value"] == "agent-w1"


def test_the_job_does_not_take_the_room_of_what_waits_for_its_next_try(scheduler: Scheduler) -> None:
    rooms = [offer("w1", mem=320.0 + 582, ports=((7000, 7089),))]
    scheduler.core.handle(offers(*rooms), scheduler.now)
    scheduler.report("spark-worker-1", "FAILED")
    assert not launched(scheduler.core.handle(offers(offer("w1", mem=582.0, ports=((7002, 7089),))), scheduler.now))
    scheduler.now += 10
    due = launched(scheduler.core.handle(offers(offer("w1", mem=582.0, ports=((7002, 7089),))), scheduler.now))
    assert list(due) == ["spark-worker-1"]


def test_a_daemon_whose_agent_was_away_never_runs_twice(scheduler: Scheduler) -> None:
    scheduler.run_all()
    old = scheduler.core.state.workloads["spark-worker-1"].task
    assert old is not None
    scheduler.report("spark-worker-1", "UNREACHABLE", uuid=False)
    rest = offer("w1", mem=1000.0, ports=((7002, 7077), (7079, 7080)))  # the old task has its ports still
    assert not launched(scheduler.core.handle(offers(rest), scheduler.now))
    assert "KILL" in kinds(scheduler.core.handle(update(old.id, "RUNNING", old.agent_id, uuid=False), scheduler.now))
    scheduler.core.handle(update(old.id, "KILLED", old.agent_id), scheduler.now)
    assert list(scheduler.offer_all()) == ["spark-worker-1"]


def test_another_scheduler_takes_the_daemons_over(scheduler: Scheduler) -> None:
    scheduler.run_all()
    assert scheduler.with_file(spark_cluster_of(3)) == []
    calls = scheduler.core.handle(update("spark-master.w0.0123", "RUNNING", "agent-w0"), scheduler.now)
    assert "KILL" in kinds(calls)
    assert scheduler.shown() == dict.fromkeys(DAEMONS, "running")


@pytest.mark.parametrize("name", ["spark-master", "spark-worker-0"])
def test_a_daemon_that_nobody_remembers_is_adopted_at_home_only(scheduler: Scheduler, name: str) -> None:
    scheduler.core.handle(update(f"{name}.w0.0123", "RUNNING", "agent-w0", uuid=False, healthy=True), scheduler.now)
    assert scheduler.shown()[name] == "running"
    calls = scheduler.core.handle(update("spark-worker-2.w1.0123", "RUNNING", "agent-w1", uuid=False), scheduler.now)
    assert "KILL" in kinds(calls)
    assert name not in scheduler.offer_all()


def test_back_to_local_ends_them_and_starts_the_job_anew(scheduler: Scheduler) -> None:
    scheduler.run_all()
    assert scheduler.with_file(cluster_of(3)) == ["job", *DAEMONS]
    assert scheduler.shown() == dict.fromkeys(DAEMONS, "stopping")
    for name in ("job", *DAEMONS):
        scheduler.report(name, "KILLED")
    assert scheduler.shown() == {}
    assert list(scheduler.offer_all()) == ["job"]
    scheduler.core.declare()
    assert not set(DAEMONS) & set(scheduler.core.state.workloads)
    scheduler.begin(spark_cluster_of(3), scheduler.core.state)
    assert set(scheduler.offer_all()) == set(DAEMONS)


def test_a_change_of_the_workers_is_carried_out_at_once(scheduler: Scheduler) -> None:
    scheduler.run_all()
    assert scheduler.with_file(spark_cluster_of(3, "executor_heap_mb = 256\n")) == [
        "spark-worker-0", "spark-worker-1", "spark-worker-2",
    ]  # fmt: skip


def test_a_master_that_moves_starts_on_its_new_home(scheduler: Scheduler) -> None:
    scheduler.run_all()
    moved = spark_cluster_of(3, host="w2")
    assert scheduler.with_file(moved) == ["job", *DAEMONS]
    scheduler.report("spark-master", "KILLED")
    assert scheduler.offer_all()["spark-master"]["agent_id"]["value"] == "agent-w2"


def test_a_worker_that_left_the_file_takes_its_daemon_with_it(scheduler: Scheduler) -> None:
    scheduler.run_all()
    assert scheduler.with_file(spark_cluster_of(2)) == ["spark-worker-2"]
