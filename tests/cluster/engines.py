"""What differs between the engines: which units run on a node of each role, and what is installed before."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster import mesos_programs


@dataclass(frozen=True)
class Engine:
    """One way to run brokers and job."""

    #: In the tests' output.
    title: str
    #: In the cluster file.
    name: str
    #: Role -> the services that must be active.
    services: dict[str, tuple[str, ...]]
    #: Puts what no Debian has into the root of a worker or a master.
    prepare: Callable[[Path], None] = lambda _root: None

    @property
    def is_mesos(self) -> bool:
        """Whether brokers and job are tasks of Mesos."""
        return self.name == "mesos"


_EVERYWHERE = {
    "sensor": ("sensorpi-sensor.service",),
    "influx-grafana": (
        "influxdb.service",
        "sensorpi-influxdb-setup.service",
        "sensorpi-influxdb-watch.service",
        "sensorpi-dashboard.service",
    ),
}

STANDALONE = Engine(
    "standalone",
    "standalone",
    {
        **_EVERYWHERE,
        "mesos-worker": ("sensorpi-kafka.service", "sensorpi-kafka-topics.service"),
        "mesos-master": ("sensorpi-spark-job.service",),
    },
)

_ON_MESOS = {
    **_EVERYWHERE,
    "mesos-worker": ("sensorpi-zookeeper.service", "sensorpi-mesos-agent.service", "sensorpi-kafka-topics.service"),
    "mesos-master": ("sensorpi-mesos-master.service", "sensorpi-scheduler.service"),
}

STAND_IN = Engine("stand-in", "mesos", _ON_MESOS, mesos_programs.put_stand_in)
MESOS = Engine("mesos", "mesos", _ON_MESOS, mesos_programs.put_real)

#: Mesos is the real one where this machine has it.
ENGINES = [
    pytest.param(STANDALONE, id=STANDALONE.title),
    pytest.param(MESOS, id=MESOS.title, marks=pytest.mark.mesos)
    if mesos_programs.is_here()
    else pytest.param(STAND_IN, id=STAND_IN.title),
]
