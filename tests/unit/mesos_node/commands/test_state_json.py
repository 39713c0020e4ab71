"""The states as --json prints them on the Mesos engine: what the scheduler's API shows, key for key."""

import json
from typing import Any

from sensorpi.common.cluster.model import parse
from sensorpi.mesos_node.commands.state_json import broker_json, job_json
from sensorpi.mesos_node.engines.engine import JobState
from sensorpi.mesos_node.engines.scheduler_status import scheduler_status
from sensorpi.mesos_node.scheduler.core.model import State
from sensorpi.mesos_node.scheduler.core.state_machine import Core
from sensorpi.mesos_node.scheduler.core.view import status
from tests.fakes.clusters import ONE_NODE
from tests.fakes.mesos_events import offer, offers, subscribed, update


def scheduler_shows() -> dict[str, Any]:
    """Broker 0 and the job have tasks; broker 3 was never started."""
    spark = '[spark]\nmaster = "spark://192.0.2.7:7077"\n'
    core = Core(parse(f'engine = "mesos"\n{ONE_NODE}memory_mb = 4000\n{spark}', "cluster.toml"), State())
    core.declare()
    core.handle(subscribed(), 0.0)
    core.tick(0.0)
    core.handle(offers(offer("box", mem=4000, ports=((7000, 7100),))), 0.0)
    task = core.state.workloads["broker-0"].task
    assert task is not None
    core.handle(update(task.id, "RUNNING", "agent-box", healthy=True), 0.0)
    core.command("broker add", {"brokers": "3", "heap_mb": 64, "options": "num.io.threads=2"}, 0.0)
    return status(core, "m:5050")


def as_printed(state: object) -> Any:
    return json.loads(json.dumps(state))


def test_a_broker_is_shown_as_the_scheduler_does() -> None:
    shown = scheduler_shows()
    assert as_printed([broker_json(each) for each in scheduler_status(shown).brokers]) == shown["brokers"]
    running, added = shown["brokers"]
    assert (running["task"]["healthy"], added["data_host"], added["settings"]) == (
        True,
        None,
        {"heap_mb": 64, "options": "num.io.threads=2"},
    )
    assert "task" not in added


def test_the_job_is_shown_as_the_scheduler_does() -> None:
    shown = scheduler_shows()
    read = scheduler_status(shown)
    assert read.job is not None
    assert as_printed(job_json(JobState(read.job, read.spark))) == shown["job"] | {"spark": shown["spark"]}
    assert [each["name"] for each in shown["spark"]] == ["spark-master", "spark-worker-0"]
