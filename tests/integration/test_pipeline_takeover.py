"""Two jobs at once, as after a network's partition: the newest start stays, the older one ends, nothing is lost."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from onebox.home import ROOT
from onebox.process import Service
from sensorpi.common.cli.exit_code import ExitCode
from tests.integration.pipeline_fixture import Pipeline
from tests.integration.waiting import wait_until

#: Several JVMs, one after the other.
pytestmark = pytest.mark.timeout(900)

COMMAND = str(Path(sys.executable).with_name("sensorpi"))


def start(job: Service) -> None:
    """Start it, and wait: for half a minute it may look whether a newer one is alive."""
    job.start()
    job.wait_until_ready(240)


@pytest.fixture(scope="module")
def more_environment() -> dict[str, str]:
    """Of the second job; a module may have another."""
    return {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds what the second job has for itself."""
    return tmp_path_factory.mktemp("second")


@pytest.fixture(scope="module")
def second(running_pipeline: Pipeline, folder: Path, more_environment: dict[str, str]) -> Iterator[Service]:
    """A second job of the same cluster, as on another node, not yet started; afterwards no job runs."""
    environment = os.environ | {"SENSORPI_CONFIG": str(running_pipeline.stages.home.config)} | more_environment
    places = ["--state", str(folder / "state"), "--jars", str(ROOT / ".cache/jars/spark")]
    job = Service("job", [COMMAND, "pipeline", "job", *places], folder / "job.log", environment)
    first = running_pipeline.service("spark")
    try:
        yield job
    finally:
        job.close()
        if first.pid is not None:
            os.killpg(first.pid, signal.SIGCONT)
        first.stop()


def test_an_old_job_that_comes_back_ends_and_does_no_harm(pipeline: Pipeline, second: Service, folder: Path) -> None:
    second.stop()
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
    wait_until(lambda: pipeline.committed() == letter + 1, "the new job's commit")

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
    wait_until(lambda: pipeline.committed() == letter + 501, "the place after the last message")

    first.start()  # as a supervisor might
    wait_until(lambda: first.exit_status is not None, "the old job's end", timeout_s=180)
    assert first.exit_status == ExitCode.SUPERSEDED
    assert second.pid is not None
    assert "This job ends" not in (folder / "job.log").read_text()


def test_a_job_that_comes_back_later_leaves_its_stale_checkpoint(running_pipeline: Pipeline, second: Service) -> None:
    """It would read once more all that the other one did since."""
    pipeline = running_pipeline  # in which the second job may be the one that runs
    sensor, first = pipeline.new_sensor(), pipeline.service("spark")
    pipeline.send_readings(sensor, 10)
    pipeline.wait_for_points(sensor, 10)
    first.stop()
    if second.pid is None:
        start(second)
    last = pipeline.send_readings(sensor, 2000, first=11) and pipeline.send(b"the last")
    pipeline.wait_for_points(sensor, 2010)
    wait_until(lambda: pipeline.committed() == last + 1, "the commit")
    second.stop()

    start(first)
    pipeline.send_readings(sensor, 5, first=2011)
    pipeline.wait_for_points(sensor, 2015)
    assert "The job last ran on onebox with another checkpoint, so the one here is moved aside" in pipeline.log("spark")
    assert int(pipeline.service("spark").status.split()[0]) <= 5
