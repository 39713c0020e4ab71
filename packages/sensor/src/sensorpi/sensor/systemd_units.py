"""The sensor's systemd unit, and what it depends on."""

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.config.systemd_unit import SystemdUnit


def systemd_units(cluster: Cluster, node: Node, _key: bytes | None) -> list[SystemdUnit]:
    """The unit of the publisher, on a node with the role ``sensor``."""
    if "sensor" not in node.roles:
        return []
    settings = f"{node.name} {cluster.bootstrap_servers} {cluster.sensor.rate_hz} {cluster.sensor.clock_tolerance_s}"
    return [SystemdUnit("sensorpi-sensor.service", "sensor", settings)]
