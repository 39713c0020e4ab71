"""What the publisher's unit depends on."""

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.config.systemd_unit import NodeUnit


def units(cluster: Cluster, node: Node, _key: bytes | None) -> list[NodeUnit]:
    """The publisher, on a node with the role ``sensor``."""
    if "sensor" not in node.roles:
        return []
    settings = f"{node.name} {cluster.bootstrap_servers} {cluster.sensor.rate_hz}"
    return [NodeUnit("sensorpi-sensor.service", "sensor", settings)]
