"""What the scheduler decides: events and commands in, calls out."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from sensorpi.common.cluster.model import Cluster
from sensorpi.common.daemon.service import notify
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.mesos.calls import Call
from sensorpi.mesos_node.scheduler.core import operations
from sensorpi.mesos_node.scheduler.core.model import State, Task, Workload, state_from_json
from sensorpi.mesos_node.scheduler.core.needs import fits_nowhere, needs_of
from sensorpi.mesos_node.scheduler.core.state_machine import Core
from sensorpi.mesos_node.scheduler.core.view import status
from tests.fakes.clusters import cluster_of
from tests.fakes.mesos_events import kinds, launched, offer, offers, subscribed, update

NOW = 1_000_000.0


class Scheduler:
    """A core with its time, and the calls that it has made."""

    def __init__(self, cluster: Cluster | None = None) -> None:
        self.now = NOW
        self.core = Core(cluster or cluster_of(3), State())
        self.core.declare()
        self.give(subscribed())

    @property
    def state(self) -> State:
        return self.core.state

    def give(self, event: dict[str, Any]) -> list[Call]:
        return self.core.handle(event, self.now)

    def later(self, by_s: float) -> list[Call]:
        self.now += by_s
        return self.core.tick(self.now)

    def offer_all(self, hosts: int = 3) -> list[Call]:
        return self.give(offers(*(offer(f"w{each}") for each in range(hosts))))

    def task(self, name: str) -> Task:
        task = self.state.workloads[name].task
        assert task is not None
        return task

    def report(self, name: str, state: str, **more: Any) -> list[Call]:
        task = self.task(name)
        return self.give(update(task.id, state, task.agent_id, **more))

    def run_all(self) -> None:
        self.offer_all()
        for name in list(self.state.workloads):
            self.report(name, "RUNNING", healthy=True)

    def shown(self, name: str) -> dict[str, Any]:
        shown = status(self.core, "m:5050")
        found: dict[str, Any] = shown["job"] if name == "job" else shown["brokers"][int(name.removeprefix("broker-"))]
        return found


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler()


def test_the_first_boot_needs_no_command(scheduler: Scheduler) -> None:
    calls = scheduler.offer_all()
    tasks = launched(calls)
    assert list(tasks) == ["broker-0", "job", "broker-1", "broker-2"]
    assert [tasks[f"broker-{each}"]["agent_id"]["value"] for each in range(3)] == ["agent-w0", "agent-w1", "agent-w2"]
    assert "SUPPRESS" in kinds(calls)


def test_a_brokers_task_has_its_ports_its_user_and_a_grace(scheduler: Scheduler) -> None:
    task = launched(scheduler.offer_all())["broker-1"]
    resources = {each["name"]: each for each in task["resources"]}
    assert resources["mem"]["scalar"]["value"] == 320
    assert resources["ports"]["ranges"]["range"] == [{"begin": 7000, "end": 7000}, {"begin": 7001, "end": 7001}]
    assert task["command"]["value"] == "exec sensorpi kafka run --id 1 --heap 128"
    assert task["command"]["user"] == "sensorpi-kafka"
    assert task["health_check"]["tcp"] == {"port": 7001}
    assert task["kill_policy"]["grace_period"]["nanoseconds"] == 75_000_000_000


@pytest.mark.parametrize(("age_s", "lives"), [(None, True), (0, True), (110, True), (130, False)])
def test_the_jobs_check_asks_whether_its_heart_beats(
    scheduler: Scheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_s: float | None, lives: bool
) -> None:
    check = launched(scheduler.offer_all())["job"]["health_check"]
    assert check["consecutive_failures"] * check["interval_seconds"] == 60
    monkeypatch.setenv("MESOS_SANDBOX", str(tmp_path))
    if age_s is not None:
        notify(watchdog=True)
        [heartbeat] = tmp_path.iterdir()
        os.utime(heartbeat, (0, time.time() - age_s))
    assert (subprocess.run(["sh", "-c", check["command"]["value"]], cwd="/").returncode == 0) is lives


def test_a_job_whose_heart_stopped_is_started_again(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.report("job", "RUNNING", healthy=False)
    scheduler.report("job", "KILLED", healthy=False)
    assert scheduler.shown("job")["message"].startswith("killed on w0: its health check failed")
    scheduler.now += 60
    assert "job" in launched(scheduler.offer_all())


def test_a_broker_stays_on_its_worker(scheduler: Scheduler) -> None:
    calls = scheduler.give(offers(offer("w1", mem=8000), offer("elsewhere", mem=300)))
    assert list(launched(calls)) == ["broker-1", "job"]
    assert "its data" not in scheduler.shown("broker-0")["message"]
    assert "waits for w0" in scheduler.shown("broker-0")["message"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"mem": 319.0}, "w0 offers 319 of 320 MB"),
        ({"cpus": 0.4}, "w0 offers 0.4 of 0.5 cpus"),
        ({"ports": ((7000, 7000), (31000, 31100))}, "w0 does not offer port 7001"),
    ],
)
def test_what_does_not_fit_is_not_launched_and_said(scheduler: Scheduler, more: dict[str, Any], reason: str) -> None:
    calls = scheduler.give(offers(offer("w0", **more)))
    assert "broker-0" not in launched(calls)
    assert scheduler.shown("broker-0")["message"] == reason


def test_an_offer_that_nobody_can_use_is_declined(scheduler: Scheduler) -> None:
    calls = scheduler.give(offers(offer("w0", mem=300.0)))
    assert calls[0][0] == "DECLINE"
    assert calls[0][1]["filters"]["refuse_seconds"] == 120.0  # type: ignore[index]


def test_two_offers_of_one_agent_are_taken_together(scheduler: Scheduler) -> None:
    calls = scheduler.give(
        offers(offer("w0", mem=200, ports=((7000, 7000),)), offer("w0", mem=200, ports=((7001, 7001),)))
    )
    assert list(launched(calls)) == ["broker-0"]
    assert len(calls[0][1]["offer_ids"]) == 2  # type: ignore[index]


def test_reserved_and_revocable_resources_are_not_ours(scheduler: Scheduler) -> None:
    other = offer("w0")
    for resource in other["resources"]:
        resource["reservations"] = [{"type": "STATIC", "role": "x"}]
    assert not launched(scheduler.give(offers(other)))


def test_a_status_is_acknowledged_once_and_first(scheduler: Scheduler) -> None:
    scheduler.offer_all()
    task = scheduler.task("broker-0")
    event = update(task.id, "STARTING", task.agent_id)
    calls = scheduler.give(event)
    assert kinds(calls).count("ACKNOWLEDGE") == 1
    assert calls[0] == ("ACKNOWLEDGE", {key: event["update"]["status"][key] for key in ("agent_id", "task_id", "uuid")})
    assert "ACKNOWLEDGE" not in kinds(scheduler.report("broker-0", "RUNNING", uuid=False))


def test_every_subscription_reconciles(scheduler: Scheduler) -> None:
    scheduler.offer_all()
    calls = scheduler.give(subscribed())
    explicit, implicit = (body for kind, body in calls if kind == "RECONCILE")
    assert explicit is not None
    assert implicit == {"tasks": []}
    assert [each["task_id"]["value"] for each in explicit["tasks"]] == [
        scheduler.task(name).id for name in ("broker-0", "broker-1", "broker-2", "job")
    ]


def test_nothing_is_said_in_the_steady_state(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.later(31)
    assert scheduler.later(60) == []
    assert kinds(scheduler.later(600)) == ["RECONCILE", "RECONCILE"]
    assert scheduler.core.next_s(scheduler.now) - scheduler.now > 500


@pytest.mark.parametrize(
    ("state", "failures", "delay_s"),
    [
        ("FAILED", 1, 5),
        ("FINISHED", 1, 5),
        ("KILLED", 1, 5),
        ("LOST", 1, 5),
        ("GONE", 1, 5),
        ("GONE_BY_OPERATOR", 1, 5),
        ("ERROR", 1, 5),
        ("DROPPED", 0, 1),
    ],
)
def test_a_task_that_ends_is_started_again_on_its_host(
    scheduler: Scheduler, state: str, failures: int, delay_s: float
) -> None:
    scheduler.run_all()
    scheduler.report("broker-1", state, message="why")
    assert scheduler.shown("broker-1")["failures"] == failures
    assert f"{state.lower()} on w1: why" in scheduler.shown("broker-1")["message"]
    assert not launched(scheduler.offer_all())
    assert "REVIVE" in kinds(scheduler.later(delay_s))
    task = launched(scheduler.offer_all())["broker-1"]
    assert task["agent_id"]["value"] == "agent-w1"
    assert "--has-run" in task["command"]["value"]


def test_the_delay_doubles_up_to_its_limit_and_a_voter_is_tried_for_ever(scheduler: Scheduler) -> None:
    operations.update(scheduler.state, scheduler.core.cluster, "0", {"failover_max_tries": 1, "failover_delay_s": 3600})
    operations.update(scheduler.state, scheduler.core.cluster, "0", {"failover_delay_s": None})
    delays = []
    for _ in range(6):
        scheduler.offer_all()
        scheduler.report("broker-0", "FAILED")
        delays.append(scheduler.state.workloads["broker-0"].retry_s - scheduler.now)
        scheduler.later(delays[-1])
    assert delays == [5, 10, 15, 15, 15, 15]
    assert scheduler.state.workloads["broker-0"].active


def test_another_broker_is_given_up_after_its_tries() -> None:
    scheduler = Scheduler(cluster_of(4))
    settings = {"failover_max_tries": 2, "failover_delay_s": 1, "failover_max_delay_s": 100}
    operations.update(scheduler.state, scheduler.core.cluster, "3", settings)
    for delay_s in (1, 2):
        scheduler.offer_all(4)
        scheduler.report("broker-3", "FAILED")
        assert scheduler.state.workloads["broker-3"].retry_s == scheduler.now + delay_s
        scheduler.later(delay_s)
    scheduler.offer_all(4)
    scheduler.report("broker-3", "FAILED")
    assert scheduler.shown("broker-3")["state"] == "stopped"
    assert "given up after 2 tries" in scheduler.shown("broker-3")["message"]


def test_a_failure_after_a_long_run_is_the_first_again(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.state.workloads["broker-0"].failures = 7
    scheduler.later(301)
    scheduler.report("broker-0", "FAILED")
    assert scheduler.state.workloads["broker-0"].failures == 1


def test_an_unreachable_broker_is_waited_for(scheduler: Scheduler) -> None:
    scheduler.run_all()
    task_id = scheduler.task("broker-1").id
    scheduler.report("broker-1", "UNREACHABLE", uuid=False)
    scheduler.later(10_000)
    assert not launched(scheduler.give(offers(offer("w0"), offer("w2"))))
    assert scheduler.shown("broker-1")["state"] == "unreachable"
    scheduler.report("broker-1", "RUNNING", uuid=False, healthy=True)
    assert scheduler.task("broker-1").id == task_id
    assert scheduler.shown("broker-1")["state"] == "running"


def test_an_agent_that_is_back_is_asked_for_the_unreachable_task(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.report("broker-1", "UNREACHABLE", uuid=False)
    calls = scheduler.give(offers(offer("w1")))
    assert (
        "RECONCILE",
        {"tasks": [{"task_id": {"value": scheduler.task("broker-1").id}, "agent_id": {"value": "agent-w1"}}]},
    ) in calls
    assert not launched(calls)
    scheduler.report("broker-1", "GONE", uuid=False)
    scheduler.later(15)
    assert "broker-1" in launched(scheduler.give(offers(offer("w1"))))


def test_a_host_with_a_new_agent_has_lost_its_old_tasks(scheduler: Scheduler) -> None:
    scheduler.run_all()
    old = scheduler.task("broker-1").id
    scheduler.report("broker-1", "UNREACHABLE", uuid=False)
    calls = scheduler.give(offers(offer("w1", agent="agent-new")))
    assert launched(calls)["broker-1"]["agent_id"]["value"] == "agent-new"
    assert "KILL" in kinds(scheduler.give(update(old, "RUNNING", "agent-w1")))


def test_the_job_starts_elsewhere_when_its_node_is_lost(scheduler: Scheduler) -> None:
    scheduler.run_all()
    old = scheduler.task("job")
    assert old.hostname == "w0"
    scheduler.report("job", "UNREACHABLE", uuid=False)
    calls = scheduler.give(offers(offer("w2", mem=512)))
    assert launched(calls)["job"]["agent_id"]["value"] == "agent-w2"
    back = scheduler.give(update(old.id, "RUNNING", old.agent_id, uuid=False))
    assert [body["task_id"]["value"] for kind, body in back if kind == "KILL" and body] == [old.id]


def test_the_job_prefers_its_last_host_for_a_while(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.report("job", "FAILED")
    scheduler.later(10)
    assert not launched(scheduler.give(offers(offer("w2", mem=512))))
    scheduler.later(600)
    assert "job" in launched(scheduler.give(offers(offer("w2", mem=512))))


def test_a_stranger_is_adopted_where_its_workload_has_no_task(scheduler: Scheduler) -> None:
    calls = scheduler.give(update("broker-1.w1.abcdef", "RUNNING", "agent-w1", uuid=False))
    assert "KILL" not in kinds(calls)
    assert scheduler.task("broker-1").hostname == "w1"
    assert "broker-1" not in launched(scheduler.offer_all())


@pytest.mark.parametrize("task_id", ["broker-1.w1.0123", "broker-9.w1.0123", "nonsense", "job.w1.01.zz"])
def test_another_stranger_is_killed(scheduler: Scheduler, task_id: str) -> None:
    scheduler.run_all()
    calls = scheduler.give(update(task_id, "RUNNING", "agent-w1"))
    assert kinds(calls)[:2] == ["ACKNOWLEDGE", "KILL"]


def test_a_kill_is_sent_again_when_nothing_comes_of_it(scheduler: Scheduler) -> None:
    scheduler.run_all()
    operations.stop(operations.select(scheduler.state, "1"))
    [(_kind, body)] = [each for each in scheduler.later(0) if each[0] == "KILL"]
    assert body == {
        "task_id": {"value": scheduler.task("broker-1").id},
        "agent_id": {"value": "agent-w1"},
        "kill_policy": {"grace_period": {"nanoseconds": 75_000_000_000}},
    }
    assert "KILL" not in kinds(scheduler.later(60))
    assert "KILL" in kinds(scheduler.later(60))
    assert "KILL" in kinds(scheduler.give(subscribed()))
    assert scheduler.shown("broker-1")["state"] == "stopping"
    scheduler.report("broker-1", "KILLED")
    assert scheduler.shown("broker-1")["state"] == "stopped"
    assert scheduler.shown("broker-1")["failures"] == 0


def test_an_added_broker_goes_where_its_constraints_let_it(scheduler: Scheduler) -> None:
    scheduler.run_all()
    given = {"constraints": "hostname=like:w2", "port": "31005..31006", "heap_mb": 256, "options": "a=b"}
    [broker] = operations.add(scheduler.state, scheduler.core.cluster, "5", given)
    assert not broker.active
    operations.start([broker])
    assert "REVIVE" in kinds(scheduler.later(0))
    task = launched(scheduler.offer_all())["broker-5"]
    assert task["agent_id"]["value"] == "agent-w2"
    assert task["command"]["value"] == "exec sensorpi kafka run --id 5 --port 31005 --heap 256 --set a=b"
    assert {each["name"]: each for each in task["resources"]}["mem"]["scalar"]["value"] == 448


def test_a_broker_with_data_moves_by_a_command_only(scheduler: Scheduler) -> None:
    scheduler.run_all()
    operations.start(operations.add(scheduler.state, scheduler.core.cluster, "5", {}))
    scheduler.later(0)
    scheduler.give(offers(offer("w2")))
    scheduler.report("broker-5", "RUNNING", healthy=True)
    with pytest.raises(UserError, match="stop it first"):
        operations.update(scheduler.state, scheduler.core.cluster, "5", {"data_host": "w1"})
    scheduler.report("broker-5", "FAILED")
    scheduler.later(100_000)
    assert not launched(scheduler.give(offers(offer("w1"))))
    operations.update(scheduler.state, scheduler.core.cluster, "5", {"data_host": "w1"})
    assert launched(scheduler.give(offers(offer("w1"))))["broker-5"]["command"]["value"].endswith(" --has-run")


def test_a_lost_broker_is_declared_so_by_a_command(scheduler: Scheduler) -> None:
    scheduler.run_all()
    operations.start(operations.add(scheduler.state, scheduler.core.cluster, "5", {}))
    scheduler.later(0)
    scheduler.give(offers(offer("w2")))
    scheduler.report("broker-5", "RUNNING", healthy=True)
    old = scheduler.task("broker-5")
    scheduler.report("broker-5", "UNREACHABLE", uuid=False)
    operations.update(scheduler.state, scheduler.core.cluster, "5", {"data_host": None})
    scheduler.later(0)
    assert "broker-5" in launched(scheduler.give(offers(offer("w1"))))
    assert "KILL" in kinds(scheduler.give(update(old.id, "RUNNING", old.agent_id, uuid=False)))


def test_the_only_voter_may_begin_with_nothing_when_its_data_is_given_up() -> None:
    scheduler = Scheduler(cluster_of(1))
    scheduler.offer_all(1)
    scheduler.report("broker-0", "RUNNING", healthy=True)
    scheduler.report("broker-0", "FAILED")
    operations.update(scheduler.state, scheduler.core.cluster, "0", {"data_host": None})
    assert "--has-run" not in launched(scheduler.offer_all(1))["broker-0"]["command"]["value"]


def test_one_voter_at_a_time(scheduler: Scheduler) -> None:
    scheduler.run_all()
    for name in ("broker-0", "broker-1"):
        scheduler.report(name, "UNREACHABLE", uuid=False)
    with pytest.raises(UserError, match="broker-1 does not run: one voter at a time"):
        operations.update(scheduler.state, scheduler.core.cluster, "0", {"data_host": "w0"})


@pytest.mark.parametrize(
    ("action", "mistake"),
    [
        (lambda s, c: operations.add(s, c, "1", {}), "broker 1 is there already"),
        (lambda s, c: operations.add(s, c, "7", {"cpus": 0}), "cpus: expected a number above 0"),
        (lambda s, c: operations.add(s, c, "7", {"cpus": True}), "wrong type"),
        (lambda s, c: operations.add(s, c, "7", {"colour": "red"}), 'no setting "colour"'),
        (lambda s, c: operations.add(s, c, "7", {"mem_mb": 100, "heap_mb": 128}), "do not hold a heap"),
        (lambda s, c: operations.add(s, c, "7", {"jvm_options": "-X'"}), "No closing quotation"),
        (lambda s, c: operations.add(s, c, "7", {"options": "log.dirs=/tmp"}), "log.dirs comes from cluster.toml"),
        (lambda s, c: operations.update(s, c, "0", {"port": "7010"}), "its ports are those in cluster.toml"),
        (lambda s, c: operations.update(s, c, "4", {}), "no broker 4: there are 0, 1, 2"),
        (lambda s, c: operations.remove(s, c, "0"), "it can only be stopped"),
        (lambda s, c: operations.select(s, "*[hostname=x]"), "names no broker"),
        (lambda s, c: operations.restart(s, "0..3", 1, NOW), "no broker 3"),
    ],
)
def test_mistakes_change_nothing(scheduler: Scheduler, action: Any, mistake: str) -> None:
    before = scheduler.state.to_json()
    with pytest.raises(UserError, match=mistake):
        action(scheduler.state, scheduler.core.cluster)
    assert scheduler.state.to_json() == before


def test_a_removed_broker_is_not_declared_again() -> None:
    scheduler = Scheduler(cluster_of(4))
    operations.stop(operations.select(scheduler.state, "3"))
    operations.remove(scheduler.state, scheduler.core.cluster, "3")
    scheduler.core.declare()
    assert [each.broker_id for each in scheduler.state.brokers()] == [0, 1, 2]


def test_a_restart_goes_one_by_one_and_only_in_sync(scheduler: Scheduler) -> None:
    scheduler.run_all()
    operations.restart(scheduler.state, "0..1", 60, scheduler.now)
    assert "KILL" not in kinds(scheduler.later(1))
    assert scheduler.core.wants_in_sync
    assert "KILL" not in kinds(scheduler.core.told_in_sync("sensors-0 is behind", scheduler.now))
    for name in ("broker-0", "broker-1"):
        old = scheduler.task(name)
        calls = scheduler.core.told_in_sync("", scheduler.now)
        assert [body["task_id"]["value"] for kind, body in calls if kind == "KILL" and body] == [old.id]
        assert not scheduler.core.wants_in_sync
        scheduler.report(name, "KILLED")
        assert list(launched(scheduler.offer_all())) == [name]
        assert not scheduler.core.wants_in_sync
        scheduler.report(name, "RUNNING")
        assert scheduler.core.wants_in_sync
        scheduler.core.told_in_sync("broker 0 is not in Kafka's cluster", scheduler.now)
        scheduler.core.told_in_sync("", scheduler.now)
    assert scheduler.state.restart is None
    assert scheduler.state.last_restart == ""
    assert "KILL" not in kinds(scheduler.later(1))


def test_a_restart_ends_when_replicas_stay_behind(scheduler: Scheduler) -> None:
    scheduler.run_all()
    operations.restart(scheduler.state, "*", 60, scheduler.now)
    scheduler.core.told_in_sync("sensors-0 is behind", scheduler.now)
    scheduler.later(61)
    assert scheduler.state.restart is None
    assert "broker-0 not within 60 s: sensors-0 is behind" in scheduler.state.last_restart
    assert scheduler.state.last_restart_timed_out
    assert all(each.task is not None and each.task.kill_sent_s is None for each in scheduler.state.brokers())


def test_a_restart_that_a_stop_ends_has_not_timed_out(scheduler: Scheduler) -> None:
    scheduler.run_all()
    operations.restart(scheduler.state, "*", 60, scheduler.now)
    operations.stop(operations.select(scheduler.state, "0"))
    scheduler.later(1)
    assert "broker-0 was stopped meanwhile" in scheduler.state.last_restart
    assert not scheduler.state.last_restart_timed_out


def test_a_restart_survives_the_scheduler(scheduler: Scheduler) -> None:
    scheduler.run_all()
    operations.restart(scheduler.state, "0", 60, scheduler.now)
    scheduler.core.told_in_sync("", scheduler.now)
    scheduler.core = Core(scheduler.core.cluster, state_from_json(scheduler.state.to_json()))
    assert "KILL" in kinds(scheduler.give(subscribed()))
    scheduler.report("broker-0", "KILLED")
    scheduler.offer_all()
    scheduler.report("broker-0", "RUNNING")
    scheduler.core.told_in_sync("", scheduler.now)
    assert scheduler.state.restart is None


def test_a_framework_that_was_removed_begins_anew(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.core.framework_removed()
    assert scheduler.state.framework_id is None
    scheduler.give(subscribed("framework-0001"))
    assert len(launched(scheduler.offer_all())) == 4
    assert scheduler.state.framework_id == "framework-0001"


def test_an_event_that_nobody_knows_changes_nothing(scheduler: Scheduler) -> None:
    before = scheduler.state.to_json()
    for event in ({"type": "RESCIND", "rescind": {}}, {"type": "FAILURE", "failure": {}}, {"type": "NEW"}):
        scheduler.give(event)
    assert scheduler.state.to_json() == before


def test_what_fits_nowhere_is_said() -> None:
    cluster = cluster_of(2)
    workloads = [Workload("broker-0"), Workload("broker-1"), Workload("job"), Workload("broker-7")]
    wanted = [(each, needs_of(each, cluster)) for each in workloads]
    hosts = {"w0": (4.0, 300.0), "w1": (4.0, 832.0)}
    assert fits_nowhere(wanted, hosts) == [
        "broker-0 needs 0.5 cpus and 320 MB: w0 has 4 cpus and 300 MB left",
        "broker-7 needs 0.5 cpus and 320 MB: w0 has 4 cpus and 300 MB left, w1 has 3 cpus and 0 MB left",
    ]


def test_changed_settings_show_that_a_restart_is_needed(scheduler: Scheduler) -> None:
    scheduler.run_all()
    assert not scheduler.shown("broker-0")["task"]["restart_needed"]
    operations.update(scheduler.state, scheduler.core.cluster, "0", {"heap_mb": 200})
    assert scheduler.shown("broker-0")["task"]["restart_needed"]
    assert scheduler.shown("broker-0")["mem_mb"] == 392
