"""What the scheduler decides about tasks: events and the time in, calls out."""

from dataclasses import replace
from typing import Any

import pytest
from pytest_mock import MockerFixture

from sensorpi.mesos_node.scheduler.core import state_machine
from sensorpi.mesos_node.scheduler.core.model import Workload
from sensorpi.mesos_node.scheduler.core.needs import fits_nowhere, needs_of
from sensorpi.mesos_node.scheduler.core.view import status
from tests.fakes.clusters import cluster_of
from tests.fakes.mesos_events import kinds, launched, offer, offers, subscribed, update
from tests.fakes.scheduler_core import Scheduler, killed


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler(cluster_of(3))


def test_the_first_boot_needs_no_command(scheduler: Scheduler) -> None:
    calls = scheduler.offer_all()
    tasks = launched(calls)
    assert list(tasks) == ["broker-0", "job", "broker-1", "broker-2"]
    assert [tasks[f"broker-{each}"]["agent_id"]["value"] for each in range(3)] == ["agent-w0", "agent-w1", "agent-w2"]
    assert "SUPPRESS" in kinds(calls)


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
def test_what_does_not_fit_waits_and_shows_why(scheduler: Scheduler, more: dict[str, Any], reason: str) -> None:
    calls = scheduler.give(offers(offer("w0", **more)))
    assert "broker-0" not in launched(calls)
    assert scheduler.shown("broker-0")["message"] == reason


def test_an_offer_without_use_is_declined(scheduler: Scheduler) -> None:
    calls = scheduler.give(offers(offer("w0", mem=300.0)))
    assert calls[0][0] == "DECLINE"
    assert calls[0][1]["filters"]["refuse_seconds"] == 120.0  # type: ignore[index]


def test_two_offers_of_one_agent_are_taken_together(scheduler: Scheduler) -> None:
    calls = scheduler.give(
        offers(offer("w0", mem=200, ports=((7000, 7000),)), offer("w0", mem=200, ports=((7001, 7001),)))
    )
    assert list(launched(calls)) == ["broker-0"]
    assert len(calls[0][1]["offer_ids"]) == 2  # type: ignore[index]


def test_reserved_resources_are_not_used(scheduler: Scheduler) -> None:
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


def test_the_steady_state_is_quiet(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.wait(31)
    assert scheduler.wait(60) == []
    assert kinds(scheduler.wait(600)) == ["RECONCILE", "RECONCILE"]
    assert scheduler.core.next_s(scheduler.now_s) - scheduler.now_s > 500


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
    assert "REVIVE" in kinds(scheduler.wait(delay_s))
    task = launched(scheduler.offer_all())["broker-1"]
    assert task["agent_id"]["value"] == "agent-w1"
    assert "--has-run" in task["command"]["value"]


def test_a_voter_is_retried_for_ever_with_bounded_delays(scheduler: Scheduler) -> None:
    scheduler.do("broker update", "0", failover_max_tries=1, failover_delay_s=3600)
    scheduler.do("broker update", "0", failover_delay_s=None)
    delays = []
    for _ in range(6):
        scheduler.offer_all()
        scheduler.report("broker-0", "FAILED")
        delays.append(scheduler.workload("broker-0").retry_s - scheduler.now_s)
        scheduler.wait(delays[-1])
    assert delays == [5, 10, 15, 15, 15, 15]
    assert scheduler.workload("broker-0").active


def test_another_broker_is_given_up_after_its_tries() -> None:
    scheduler = Scheduler(cluster_of(4))
    scheduler.do("broker update", "3", failover_max_tries=2, failover_delay_s=1, failover_max_delay_s=100)
    for delay_s in (1, 2):
        scheduler.offer_all(4)
        scheduler.report("broker-3", "FAILED")
        assert scheduler.workload("broker-3").retry_s == scheduler.now_s + delay_s
        scheduler.wait(delay_s)
    scheduler.offer_all(4)
    scheduler.report("broker-3", "FAILED")
    assert scheduler.shown("broker-3")["state"] == "stopped"
    assert "given up after 2 tries" in scheduler.shown("broker-3")["message"]


def test_a_failure_after_a_long_run_is_the_first_again(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.workload("broker-0").failures = 7
    scheduler.wait(301)
    scheduler.report("broker-0", "FAILED")
    assert scheduler.workload("broker-0").failures == 1


def test_an_unreachable_broker_is_waited_for(scheduler: Scheduler) -> None:
    scheduler.run_all()
    task_id = scheduler.task("broker-1").id
    scheduler.report("broker-1", "UNREACHABLE", uuid=False)
    scheduler.wait(10_000)
    assert not launched(scheduler.give(offers(offer("w0"), offer("w2"))))
    assert scheduler.shown("broker-1")["state"] == "unreachable"
    scheduler.report("broker-1", "RUNNING", uuid=False, healthy=True)
    assert scheduler.task("broker-1").id == task_id
    assert scheduler.shown("broker-1")["state"] == "running"


def test_a_returning_agent_is_asked_for_the_lost_task(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.report("broker-1", "UNREACHABLE", uuid=False)
    calls = scheduler.give(offers(offer("w1")))
    assert (
        "RECONCILE",
        {"tasks": [{"task_id": {"value": scheduler.task("broker-1").id}, "agent_id": {"value": "agent-w1"}}]},
    ) in calls
    assert not launched(calls)
    scheduler.report("broker-1", "GONE", uuid=False)
    scheduler.wait(15)
    assert "broker-1" in launched(scheduler.give(offers(offer("w1"))))


def test_a_host_with_a_new_agent_has_lost_its_old_tasks(scheduler: Scheduler) -> None:
    scheduler.run_all()
    old = scheduler.task("broker-1").id
    scheduler.report("broker-1", "UNREACHABLE", uuid=False)
    calls = scheduler.give(offers(offer("w1", agent="agent-new")))
    assert launched(calls)["broker-1"]["agent_id"]["value"] == "agent-new"
    assert killed(scheduler.give(update(old, "RUNNING", "agent-w1"))) == [old]


def test_the_job_starts_elsewhere_when_its_node_is_lost(scheduler: Scheduler) -> None:
    scheduler.run_all()
    old = scheduler.task("job")
    assert old.hostname == "w0"
    scheduler.report("job", "UNREACHABLE", uuid=False)
    calls = scheduler.give(offers(offer("w2", mem=512)))
    assert launched(calls)["job"]["agent_id"]["value"] == "agent-w2"
    assert killed(scheduler.give(update(old.id, "RUNNING", old.agent_id, uuid=False))) == [old.id]


def test_the_job_leaves_an_agent_missing_after_fail_over(scheduler: Scheduler) -> None:
    """A new master answers nothing about an agent that has not come back."""
    scheduler.run_all()
    scheduler.give(subscribed())
    for name in ("broker-1", "broker-2"):
        scheduler.report(name, "RUNNING", uuid=False)
    job, broker = scheduler.task("job"), scheduler.task("broker-0")
    assert job.hostname == broker.hostname == "w0"
    assert kinds(scheduler.wait(10)) == ["RECONCILE", "RECONCILE"]
    scheduler.wait(49)
    assert scheduler.task("job") is job
    assert scheduler.core.next_s(scheduler.now_s) == scheduler.now_s + 1
    assert "REVIVE" in kinds(scheduler.wait(1))
    assert list(launched(scheduler.give(offers(offer("w2", mem=512))))) == ["job"]
    assert scheduler.task("broker-0") is broker
    assert killed(scheduler.give(update(job.id, "RUNNING", job.agent_id, uuid=False))) == [job.id]


def test_the_job_stays_when_its_agent_came_back(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.give(subscribed())
    scheduler.wait(59)
    job = scheduler.task("job")
    scheduler.report("job", "RUNNING", uuid=False)
    scheduler.wait(600)
    assert scheduler.task("job") is job


def test_the_job_prefers_its_last_host_for_a_while(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.report("job", "FAILED")
    scheduler.wait(10)
    assert not launched(scheduler.give(offers(offer("w2", mem=512))))
    scheduler.wait(600)
    assert "job" in launched(scheduler.give(offers(offer("w2", mem=512))))


def test_a_job_with_a_failed_health_check_starts_again(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.report("job", "RUNNING", healthy=False)
    scheduler.report("job", "KILLED", healthy=False)
    assert scheduler.shown("job")["message"].startswith("killed on w0: its health check failed")
    scheduler.now_s += 60
    assert "job" in launched(scheduler.offer_all())


def test_an_unknown_task_is_adopted_if_its_workload_has_none(scheduler: Scheduler) -> None:
    calls = scheduler.give(update("broker-1.w1.abcdef", "RUNNING", "agent-w1", uuid=False))
    assert killed(calls) == []
    assert scheduler.task("broker-1").hostname == "w1"
    assert "broker-1" not in launched(scheduler.offer_all())


@pytest.mark.parametrize("task_id", ["broker-1.w1.0123", "broker-9.w1.0123", "nonsense", "job.w1.01.zz"])
def test_another_unknown_task_is_killed(scheduler: Scheduler, task_id: str) -> None:
    scheduler.run_all()
    calls = scheduler.give(update(task_id, "RUNNING", "agent-w1"))
    assert kinds(calls)[:2] == ["ACKNOWLEDGE", "KILL"]


def test_a_kill_without_effect_is_sent_again(scheduler: Scheduler) -> None:
    scheduler.run_all()
    [(_kind, body)] = [each for each in scheduler.do("broker stop", "1") if each[0] == "KILL"]
    assert body == {
        "task_id": {"value": scheduler.task("broker-1").id},
        "agent_id": {"value": "agent-w1"},
        "kill_policy": {"grace_period": {"nanoseconds": 75_000_000_000}},
    }
    assert killed(scheduler.wait(60)) == []
    assert killed(scheduler.wait(60)) != []
    assert killed(scheduler.give(subscribed())) != []
    assert scheduler.shown("broker-1")["state"] == "stopping"
    scheduler.report("broker-1", "KILLED")
    assert scheduler.shown("broker-1")["state"] == "stopped"
    assert scheduler.shown("broker-1")["failures"] == 0


def test_a_removed_framework_starts_from_nothing(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.core.framework_removed()
    assert scheduler.state.framework_id is None
    scheduler.give(subscribed("framework-0001"))
    assert len(launched(scheduler.offer_all())) == 4
    assert scheduler.state.framework_id == "framework-0001"


def test_an_unknown_event_changes_nothing(scheduler: Scheduler) -> None:
    before = scheduler.state.to_json()
    for event in ({"type": "RESCIND", "rescind": {}}, {"type": "FAILURE", "failure": {}}, {"type": "NEW"}):
        scheduler.give(event)
    assert scheduler.state.to_json() == before


def test_what_fits_nowhere_is_listed() -> None:
    cluster = cluster_of(2)
    workloads = [Workload("broker-0"), Workload("broker-1"), Workload("job"), Workload("broker-7")]
    wanted = [(each, needs_of(each, cluster)) for each in workloads]
    hosts = {"w0": (4.0, 300.0), "w1": (4.0, 832.0)}
    assert fits_nowhere(wanted, hosts) == [
        "broker-0 needs 0.5 cpus and 320 MB: w0 has 4 cpus and 300 MB left",
        "broker-7 needs 0.5 cpus and 320 MB: w0 has 4 cpus and 300 MB left, w1 has 3 cpus and 0 MB left",
    ]


def test_the_core_lists_what_fits_nowhere(scheduler: Scheduler) -> None:
    assert scheduler.core.what_fits_nowhere() == []
    scheduler.do("broker update", "1", mem_mb=5000)
    assert [line.partition(":")[0] for line in scheduler.core.what_fits_nowhere()] == [
        "broker-1 needs 0.5 cpus and 5000 MB"
    ]
    scheduler.do("broker stop", "1")
    assert scheduler.core.what_fits_nowhere() == []


@pytest.mark.parametrize(
    "step",
    [
        lambda scheduler: scheduler.give(subscribed()),
        lambda scheduler: scheduler.offer_all(),
        lambda scheduler: scheduler.report("broker-0", "FAILED"),
        lambda scheduler: scheduler.wait(1),
        lambda scheduler: scheduler.tell_in_sync(""),
        lambda scheduler: scheduler.do("broker update", "0", heap_mb=200),
        lambda scheduler: scheduler.core.declare(),
    ],
    ids=["subscribed", "offers", "update", "tick", "in-sync", "command", "declare"],
)
def test_an_input_computes_the_needs_once(scheduler: Scheduler, mocker: MockerFixture, step: Any) -> None:
    scheduler.run_all()
    computed = mocker.spy(state_machine, "needs_table")
    step(scheduler)
    status(scheduler.core, "m:5050")
    scheduler.core.what_fits_nowhere()
    scheduler.core.next_s(scheduler.now_s)
    assert computed.call_count == 1
    assert computed.spy_return is scheduler.core.needs


def test_the_needs_cannot_be_changed_from_outside(scheduler: Scheduler) -> None:
    with pytest.raises(TypeError):
        scheduler.core.needs.by_name["broker-0"] = None  # type: ignore[index]
    with pytest.raises(AttributeError):
        scheduler.core.state = scheduler.state  # type: ignore[misc]


def test_settings_that_cannot_be_read_are_shown_as_the_reason(scheduler: Scheduler) -> None:
    scheduler.workload("broker-0").settings = replace(scheduler.workload("broker-0").settings, constraints="rack")
    assert list(launched(scheduler.offer_all())) == ["job", "broker-1", "broker-2"]
    assert "expected a constraint as NAME=VALUE" in scheduler.shown("broker-0")["message"]
    scheduler.do("broker update", "0", constraints=None)
    assert scheduler.shown("broker-0")["message"] == ""
    assert list(launched(scheduler.offer_all())) == ["broker-0"]
