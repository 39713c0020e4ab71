"""The TaskInfos of the broker and the job; those of Spark's daemons are in test_spark_daemons."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from sensorpi.common.daemon.service import notify
from tests.fakes.clusters import cluster_of
from tests.fakes.mesos_events import launched
from tests.fakes.scheduler_core import Scheduler


@pytest.fixture
def tasks() -> dict[str, dict[str, Any]]:
    return launched(Scheduler(cluster_of(3)).offer_all())


def test_a_brokers_task_has_its_ports_its_user_and_a_grace(tasks: dict[str, dict[str, Any]]) -> None:
    task = tasks["broker-1"]
    resources = {each["name"]: each for each in task["resources"]}
    assert resources["mem"]["scalar"]["value"] == 320
    assert resources["ports"]["ranges"]["range"] == [{"begin": 7000, "end": 7000}, {"begin": 7001, "end": 7001}]
    assert task["command"]["value"] == "exec sensorpi kafka run --id 1 --heap 128"
    assert task["command"]["user"] == "sensorpi-kafka"
    assert task["health_check"]["tcp"] == {"port": 7001}
    assert task["kill_policy"]["grace_period"]["nanoseconds"] == 75_000_000_000


@pytest.mark.parametrize(("age_s", "healthy"), [(None, True), (0, True), (110, True), (130, False)])
def test_the_jobs_health_check_reads_its_heartbeat(
    tasks: dict[str, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    age_s: float | None,
    healthy: bool,
) -> None:
    check = tasks["job"]["health_check"]
    assert check["consecutive_failures"] * check["interval_seconds"] == 60
    monkeypatch.setenv("MESOS_SANDBOX", str(tmp_path))
    if age_s is not None:
        notify(watchdog=True)
        [heartbeat] = tmp_path.iterdir()
        os.utime(heartbeat, (0, time.time() - age_s))
    assert (subprocess.run(["sh", "-c", check["command"]["value"]], cwd="/").returncode == 0) is healthy
