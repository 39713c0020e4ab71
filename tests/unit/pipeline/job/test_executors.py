"""How long the job waits for executors, and what it does with the watchdog meanwhile."""

from dataclasses import dataclass, field

import pytest
from pytest_mock import MockerFixture

from sensorpi.common.errors import UserError
from sensorpi.pipeline.job.executors import Executors
from sensorpi.pipeline.job.spark_master import SparkMaster

EXECUTORS = "sensorpi.pipeline.job.executors"


@dataclass
class Cluster:
    """Spark's cluster as `Executors` asks for it, and the time."""

    executors: int = 0
    now_s: float = 1000.0
    beats_s: list[float] = field(default_factory=list)

    def size(self) -> int:
        """Spark counts the driver as well."""
        return 1 + self.executors


@pytest.fixture
def cluster(mocker: MockerFixture) -> Cluster:
    cluster = Cluster()
    mocker.patch(f"{EXECUTORS}.time.monotonic", side_effect=lambda: cluster.now_s)
    mocker.patch(f"{EXECUTORS}.service.notify", side_effect=lambda **_more: cluster.beats_s.append(cluster.now_s))
    return cluster


@pytest.fixture
def watched(cluster: Cluster, mocker: MockerFixture) -> Executors:
    session = mocker.MagicMock()
    context = session.sparkContext._jsc.sc.return_value
    context.isStopped.return_value = False
    context.getExecutorMemoryStatus.return_value.size = cluster.size
    return Executors(session, SparkMaster({"spark.master": "mesos://zk://w1:2181/mesos"}))


def test_a_job_without_executors_ends_after_two_minutes(cluster: Cluster, watched: Executors) -> None:
    """Spark's Mesos back end gives up an agent after two losses there; only a new driver uses it again."""
    for _ in range(120):
        assert watched.are_missing()
        cluster.now_s += 1.0
    fed = len(cluster.beats_s)
    with pytest.raises(UserError, match="has not had an executor on mesos://zk://w1:2181/mesos for 120 s"):
        watched.are_missing()
    assert len(cluster.beats_s) == fed


def test_an_executor_that_comes_in_time_begins_the_time_anew(cluster: Cluster, watched: Executors) -> None:
    for _ in range(10):
        for present in (0, 1):
            cluster.executors = present
            assert watched.are_missing() is (present == 0)
            cluster.now_s += 100.0
