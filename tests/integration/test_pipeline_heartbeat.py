"""The heartbeat of a job that Mesos started: it beats while the stream flows or waits, and not when that hangs."""

import os
import signal
import time
from pathlib import Path

import pytest

from onebox.process import Service
from sensorpi.common.daemon.service import HEARTBEAT
from tests.integration.pipeline_fixture import Pipeline, jvm_of
from tests.integration.test_pipeline_takeover import folder, second, start
from tests.integration.waiting import wait_until

pytestmark = pytest.mark.timeout(900)

__all__ = ["folder", "second"]

#: Spark tells of a stream without messages every ten seconds.
QUIET_S = 15.0


@pytest.fixture(scope="module")
def more_environment(folder: Path) -> dict[str, str]:
    """The job's alone: the dashboard that other tests have in this process has a heart, too."""
    return {"MESOS_SANDBOX": str(folder)}


@pytest.fixture
def heart(folder: Path) -> Path:
    """The file."""
    return folder / HEARTBEAT


def beats(heart: Path, within_s: float) -> bool:
    before, deadline = heart.stat().st_mtime_ns, time.monotonic() + within_s
    while time.monotonic() < deadline:
        if heart.stat().st_mtime_ns != before:
            return True
        time.sleep(0.2)
    return False


def test_heartbeat_follows_the_stream_while_it_flows_or_waits(
    heart: Path, pipeline: Pipeline, second: Service, folder: Path
) -> None:
    start(second)
    assert beats(heart, QUIET_S)

    pipeline.service("influxdb").stop()
    pipeline.send_readings(pipeline.new_sensor(), 5)
    wait_until(lambda: "InfluxDB is down" in (folder / "job.log").read_text(), "the outage in the log")
    assert all(beats(heart, QUIET_S) for _ in range(3))
    pipeline.restart("influxdb")

    pipeline.service("kafka").stop(grace_s=60)  # perhaps with that batch still under way
    try:
        said = folder / "job.log"
        wait_until(lambda: "Reading from Kafka is down" in said.read_text(), "the outage in the log", 170)
        assert "\n\tat " not in said.read_text()  # Java's stack of calls
        assert all(beats(heart, 60) for _ in range(2))
    finally:
        pipeline.restart("kafka")
    assert beats(heart, 60)

    jvm = jvm_of(second)
    os.kill(jvm, signal.SIGSTOP)
    try:
        # One beat may have been under way.
        wait_until(lambda: not beats(heart, QUIET_S), "silence", 4 * QUIET_S)
    finally:
        os.kill(jvm, signal.SIGCONT)
    assert beats(heart, QUIET_S)
