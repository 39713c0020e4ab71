"""The systemd units of the broker, and the settings that each depends on."""

from pathlib import Path

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.config.systemd_unit import SystemdUnit
from sensorpi.mesos_node.kafka.broker import Broker, broker_files
from sensorpi.mesos_node.kafka.topics import topic_specs

#: The brokers' data on a node.
DATA = Path("/var/lib/sensorpi/kafka")


def systemd_units(cluster: Cluster, node: Node, _key: bytes | None) -> list[SystemdUnit]:
    """The broker and the declaration of its topics, on a node with the role ``mesos-worker``."""
    if "mesos-worker" not in node.roles:
        return []
    broker = f"{cluster.engine} {broker_files(Broker(cluster, node, DATA))} {cluster.kafka.heap_mb}"
    topics = f"{cluster.bootstrap_servers} {topic_specs(cluster)}"
    return [
        SystemdUnit("sensorpi-kafka.service", "mesos-worker", broker, needs_key=True),
        SystemdUnit("sensorpi-kafka-topics.service", "mesos-worker", topics, needs_key=True),
    ]
