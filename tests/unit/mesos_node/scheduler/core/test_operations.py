"""The operator's commands: each does all that it is asked for, or nothing."""

from typing import Any

import pytest

from sensorpi.common.errors import UserError
from sensorpi.mesos_node.scheduler.core.view import status
from tests.fakes.clusters import cluster_of
from tests.fakes.mesos_events import kinds, launched, offer, offers, update
from tests.fakes.scheduler_core import Scheduler, killed


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler(cluster_of(3))


@pytest.fixture
def with_broker_5(scheduler: Scheduler) -> Scheduler:
    """Broker 5 was added and runs on w2."""
    scheduler.run_all()
    scheduler.do("broker add", "5")
    scheduler.do("broker start", "5")
    scheduler.give(offers(offer("w2")))
    scheduler.report("broker-5", "RUNNING", healthy=True)
    return scheduler


def test_an_added_broker_goes_where_its_constraints_let_it(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.do(
        "broker add", "5", constraints="hostname=like:w2", port="31005..31006", heap_mb=256, options="num.io.threads=2"
    )
    assert not scheduler.workload("broker-5").active
    assert "REVIVE" in kinds(scheduler.do("broker start", "5"))
    task = launched(scheduler.offer_all())["broker-5"]
    assert task["agent_id"]["value"] == "agent-w2"
    assert task["command"]["value"] == "exec sensorpi kafka run --id 5 --port 31005 --heap 256 --set num.io.threads=2"
    assert {each["name"]: each for each in task["resources"]}["mem"]["scalar"]["value"] == 448


def test_a_broker_with_data_moves_only_by_a_command(with_broker_5: Scheduler) -> None:
    scheduler = with_broker_5
    with pytest.raises(UserError, match="stop it first"):
        scheduler.do("broker update", "5", data_host="w1")
    scheduler.report("broker-5", "FAILED")
    scheduler.wait(100_000)
    assert not launched(scheduler.give(offers(offer("w1"))))
    scheduler.do("broker update", "5", data_host="w1")
    assert launched(scheduler.give(offers(offer("w1"))))["broker-5"]["command"]["value"].endswith(" --has-run")


def test_a_command_gives_a_lost_broker_up(with_broker_5: Scheduler) -> None:
    scheduler = with_broker_5
    old = scheduler.task("broker-5")
    scheduler.report("broker-5", "UNREACHABLE", uuid=False)
    scheduler.do("broker update", "5", data_host=None)
    assert "broker-5" in launched(scheduler.give(offers(offer("w1"))))
    assert killed(scheduler.give(update(old.id, "RUNNING", old.agent_id, uuid=False))) == [old.id]


def test_the_only_voter_may_start_empty_when_data_is_given_up() -> None:
    scheduler = Scheduler(cluster_of(1))
    scheduler.offer_all(1)
    scheduler.report("broker-0", "RUNNING", healthy=True)
    scheduler.report("broker-0", "FAILED")
    scheduler.do("broker update", "0", data_host=None)
    assert "--has-run" not in launched(scheduler.offer_all(1))["broker-0"]["command"]["value"]


def test_only_one_voter_at_a_time_may_move(scheduler: Scheduler) -> None:
    scheduler.run_all()
    for name in ("broker-0", "broker-1"):
        scheduler.report(name, "UNREACHABLE", uuid=False)
    with pytest.raises(UserError, match="so is broker-1, which does not run: only one controller may be down"):
        scheduler.do("broker update", "0", data_host="w0")


@pytest.mark.parametrize(
    ("name", "given", "mistake"),
    [
        ("broker add", {"brokers": "1"}, "broker 1 already exists"),
        ("broker add", {"brokers": "7,1"}, "broker 1 already exists"),
        ("broker add", {"brokers": "7", "data_host": "w0"}, "--data-host is for a broker that has data"),
        ("broker add", {"brokers": "7", "cpus": 0}, "cpus: expected a number above 0"),
        ("broker add", {"brokers": "7", "cpus": True}, "wrong type"),
        ("broker add", {"brokers": "7", "colour": "red"}, 'no setting "colour"'),
        ("broker add", {"brokers": "7", "mem_mb": 100, "heap_mb": 128}, "a heap of 128 MB does not fit in 100 MB"),
        ("broker add", {"brokers": "7", "jvm_options": "-X'"}, "No closing quotation"),
        ("broker add", {"brokers": "7", "options": "log.dirs=/tmp"}, "log.dirs comes from cluster.toml"),
        ("broker add", {"brokers": "100..900", "jvm_options": "-XX:+" + "x" * 900}, "at most 500000 fit in ZooKeeper"),
        ("broker update", {"brokers": "*", "heap_mb": 400, "port": "7010"}, "its ports are those in cluster.toml"),
        ("broker update", {"brokers": "4"}, "no broker 4: there are 0, 1, 2"),
        ("broker update", {"brokers": "0..1", "data_host": "w1"}, "one broker at a time"),
        ("broker update", {"brokers": "0", "heap_mb": 200, "data_host": "w1"}, "broker-0 runs on w0: stop it first"),
        ("broker update", {"brokers": "0", "data_host": 5}, "data_host: 5 has the wrong type"),
        ("broker remove", {"brokers": "0"}, "it can only be stopped"),
        ("broker start", {"brokers": "*[hostname=x]"}, "no broker matches"),
        ("broker stop", {"brokers": "0..9"}, "no broker 3, 4, 5"),
        ("broker stop", {}, "expected brokers such as"),
        ("broker restart", {"brokers": "0..3"}, "no broker 3"),
        ("broker restart", {"brokers": "0", "timeout_s": True}, "timeout_s: expected a number of seconds"),
        ("broker rebuild", {"brokers": "0"}, 'there is no command "broker rebuild"'),
        ("job rebuild", {"brokers": "0"}, 'there is no command "job rebuild"'),
    ],
)
def test_a_command_that_fails_changes_nothing(
    scheduler: Scheduler, name: str, given: dict[str, Any], mistake: str
) -> None:
    scheduler.run_all()
    before, shown, needs = scheduler.state.to_json(), status(scheduler.core, None), scheduler.core.needs
    with pytest.raises(UserError, match=mistake):
        scheduler.core.command(name, given, scheduler.now_s)
    assert scheduler.state.to_json() == before
    assert status(scheduler.core, None) == shown
    assert scheduler.core.needs == needs


def test_a_removed_broker_is_not_declared_again() -> None:
    scheduler = Scheduler(cluster_of(4))
    scheduler.do("broker stop", "3")
    scheduler.do("broker remove", "3")
    scheduler.core.declare()
    assert [each.broker_id for each in scheduler.state.brokers()] == [0, 1, 2]


def test_changed_settings_show_that_a_restart_is_needed(scheduler: Scheduler) -> None:
    scheduler.run_all()
    assert not scheduler.shown("broker-0")["task"]["restart_needed"]
    scheduler.do("broker update", "0", heap_mb=200)
    assert scheduler.shown("broker-0")["task"]["restart_needed"]
    assert scheduler.shown("broker-0")["mem_mb"] == 392


def test_a_command_clears_why_its_broker_waited(scheduler: Scheduler) -> None:
    scheduler.give(offers(offer("w0", mem=300.0)))
    assert scheduler.shown("broker-0")["message"] == "w0 offers 300 of 320 MB"
    scheduler.do("broker update", "0", mem_mb=290)
    assert scheduler.shown("broker-0")["message"] == ""


def test_a_restart_goes_one_by_one_and_only_in_sync(scheduler: Scheduler) -> None:
    scheduler.run_all()
    assert killed(scheduler.do("broker restart", "0..1", timeout_s=60)) == []
    assert killed(scheduler.wait(1)) == []
    assert scheduler.core.wants_in_sync
    assert killed(scheduler.tell_in_sync("sensors-0 is behind")) == []
    for name in ("broker-0", "broker-1"):
        old = scheduler.task(name)
        assert killed(scheduler.tell_in_sync("")) == [old.id]
        assert not scheduler.core.wants_in_sync
        scheduler.report(name, "KILLED")
        assert list(launched(scheduler.offer_all())) == [name]
        assert not scheduler.core.wants_in_sync
        scheduler.report(name, "RUNNING")
        assert scheduler.core.wants_in_sync
        scheduler.tell_in_sync("broker 0 is not in Kafka's cluster")
        scheduler.tell_in_sync("")
    assert scheduler.state.restart is None
    assert scheduler.state.last_restart == ""
    assert killed(scheduler.wait(1)) == []


def test_a_restart_is_given_up_when_replicas_stay_behind(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.do("broker restart", "*", timeout_s=60)
    scheduler.tell_in_sync("sensors-0 is behind")
    scheduler.wait(61)
    assert scheduler.state.restart is None
    assert "broker-0 took more than 60 s: sensors-0 is behind" in scheduler.state.last_restart
    assert scheduler.state.last_restart_timed_out
    assert all(each.task is not None and each.task.kill_sent_s is None for each in scheduler.state.brokers())


def test_a_restart_that_a_stop_ends_has_not_timed_out(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.do("broker restart", "*", timeout_s=60)
    scheduler.do("broker stop", "0")
    scheduler.wait(1)
    assert "broker-0 has been stopped" in scheduler.state.last_restart
    assert not scheduler.state.last_restart_timed_out


def test_a_second_restart_is_refused(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.do("broker restart", "0..1")
    with pytest.raises(UserError, match="a restart is in progress: broker-0, broker-1 still to do"):
        scheduler.do("broker restart", "2")


def test_a_restart_survives_the_scheduler(scheduler: Scheduler) -> None:
    scheduler.run_all()
    scheduler.do("broker restart", "0", timeout_s=60)
    scheduler.tell_in_sync("")
    assert killed(scheduler.start_again(cluster_of(3))) == [scheduler.task("broker-0").id]
    scheduler.report("broker-0", "KILLED")
    scheduler.offer_all()
    scheduler.report("broker-0", "RUNNING")
    scheduler.tell_in_sync("")
    assert scheduler.state.restart is None
