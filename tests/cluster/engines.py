"""What differs between the engines: which units run on a node of each role."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Engine:
    """How the cluster file names it, and the services of each role that must be active under it."""

    name: str
    services: dict[str, tuple[str, ...]]


STANDALONE = Engine(
    "standalone",
    {
        "sensor": ("sensorpi-sensor.service",),
        "mesos-worker": ("sensorpi-kafka.service", "sensorpi-kafka-topics.service"),
        "mesos-master": ("sensorpi-spark-job.service",),
        "influx-grafana": ("influxdb.service", "sensorpi-influxdb-setup.service", "sensorpi-dashboard.service"),
    },
)
