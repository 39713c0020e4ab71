"""Two jobs at once, as after a network's partition: the newest start stays, the older one ends, nothing is lost."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from onebox.home import ROOT
from onebox.process import Service
from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.reading import TOPIC
from tests.integration.pipeline_fixture import Pipeline, wait_until

#: Several JVMs, one after the other.
pytestmark = pytest.mark.timeout(900)

COMMAND = str(Path(sys.executable).with_name("sensorpi"))


def new_job(pipeline: Pipeline, state: Path, log: Path, more: Mapping[str, str] | None = None) -> Service:
    """A job of the same cluster with a state folder of its own, as on another node; it has yet to be started.

    ``more`` is for its environment.
    """
    jars = str(ROOT / ".cache/jars/spark")
    environment = os.environ | {"SENSORPI_CONFIG": str(pipeline.stages.home.config)} | dict(more or {})
    return Service(
        "job", [COMMAND, "pipeline", "job", "--state", str(state), "--jars", jars], log, environment
    )  # fmt: skip


def start(job: Service) -> None:
    """Start it, and wait: for half a minute it may look whether a newer one is alive."""
    job.start()
    job.wait_until_ready(240)


@pytest.fixture
def more_environment() -> dict[str, str]:
    """Of the second job; a module may have another."""
    return {}


@pytest.fixture
def second(pipeline: Pipeline, tmp_path: Path, more_environment: dict[str, str]) -> Iterator[Service]:
    """A second job, not yet started; afterwards the first one runs again, whatever became of it."""
    job = new_job(pipeline, tmp_path / "state", tmp_path / "job.log", more_environment)
    try:
        yield job
    finally:
        job.close()
        first = pipeline.service("spark")
        if first.pid is not None:
            os.killpg(first.pid, signal.SIGCONT)
        first.stop()
        start(first)


def committed(pipeline: Pipeline) -> int | None:
    servers = pipeline.stages.cluster.bootstrap_servers
    consumer = KafkaConsumer(bootstrap_servers=servers, group_id="sensorpi-job", enable_auto_commit=False)
    offset: int | None = consumer.committed(TopicPartition(TOPIC, 0))
    consumer.close(autocommit=False)
    return offset


def test_an_old_job_that_comes_back_ends_and_does_no_harm(pipeline: Pipeline, second: Service, tmp_path: Path) -> None:
    sensor, first = pipeline.new_sensor(), pipeline.service("spark")
    first_log = len(pipeline.log("spark"))
    pipeline.send_readings(sensor, 500)
    pipeline.wait_for_points(sensor, 500)
    pipeline.send_readings(sensor, 3000, first=501)  # some of them are in its hands
    assert first.pid is not None
    os.killpg(first.pid, signal.SIGSTOP)

    start(second)
    pipeline.send_readings(sensor, 1000, first=3501)
    letter = pipeline.send(b"while it was away")
    pipeline.wait_for_points(sensor, 4500)
    wait_until(lambda: committed(pipeline) == letter + 1, "the new job's commit")

    os.killpg(first.pid, signal.SIGCONT)
    wait_until(lambda: first.exit_status is not None, "the old job's end", timeout_s=30)
    assert first.exit_status == ExitCode.SUPERSEDED
    said = pipeline.log("spark")[first_log:]
    assert said.count("This job ends, because a newer one runs on onebox") == 1
    assert "Traceback" not in said

    pipeline.send_readings(sensor, 500, first=4501)
    points = pipeline.wait_for_points(sensor, 5000)
    assert sorted(point["sequence"] for point in points) == list(range(1, 5001))
    assert pipeline.dead_letters({letter})[letter].value == b"while it was away"
    wait_until(lambda: committed(pipeline) == letter + 501, "the place after the last message")

    first.start()  # as a supervisor might
    wait_until(lambda: first.exit_status is not None, "the old job's end", timeout_s=180)
    assert first.exit_status == ExitCode.SUPERSEDED
    assert second.pid is not None
    assert "This job ends" not in (tmp_path / "job.log").read_text()


def test_a_job_that_comes_back_later_leaves_its_stale_checkpoint(pipeline: Pipeline, second: Service) -> None:
    """It would read once more all that the other one did since."""
    sensor, first = pipeline.new_sensor(), pipeline.service("spark")
    pipeline.send_readings(sensor, 10)
    pipeline.wait_for_points(sensor, 10)
    first.stop()
    start(second)
    last = pipeline.send_readings(sensor, 2000, first=11) and pipeline.send(b"the last")
    pipeline.wait_for_points(sensor, 2010)
    wait_until(lambda: committed(pipeline) == last + 1, "the commit")
    second.stop()

    start(first)
    pipeline.send_readings(sensor, 5, first=2011)
    pipeline.wait_for_points(sensor, 2015)
    assert "The job last ran on onebox with another checkpoint, so the one here is moved aside" in pipeline.log("spark")
    assert int(pipeline.service("spark").status.split()[0]) <= 5
