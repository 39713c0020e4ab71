"""The units of the Mesos engine on a node, and what each depends on."""

from pathlib import Path

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.config.systemd_unit import SystemdUnit
from sensorpi.mesos_node.daemons.mesos_flags import zookeeper_url
from sensorpi.mesos_node.daemons.offer import offer_of
from sensorpi.mesos_node.daemons.zookeeper import zoo_cfg

#: Units of other packages that would take our ports. A drop-in of ours holds them back while the engine is Mesos, and
#: listing them here restarts those that run, which then end.
MAKERS_UNITS = {
    "mesos-worker": ("mesos-agent.service", "mesos-slave.service", "zookeeper.service"),
    "mesos-master": ("mesos-master.service",),
}

#: Only where it exists does a worker run ZooKeeper.
ZOOKEEPER_FILE = "zookeeper.conf"

_ZOOKEEPER_DATA = Path("/var/lib/sensorpi/zookeeper")


def systemd_units(cluster: Cluster, node: Node, _key: bytes | None) -> list[SystemdUnit]:
    """Those of the node's roles, where cluster.toml says ``engine = "mesos"``."""
    if cluster.engine != "mesos":
        return []
    found = [
        SystemdUnit(name, role, "mesos") for role, names in MAKERS_UNITS.items() if role in node.roles for name in names
    ]
    mesos = f"{zookeeper_url(cluster)} {node.name} {node.address}"
    if node in cluster.zookeeper_nodes:
        configuration = zoo_cfg(cluster, _ZOOKEEPER_DATA)
        found.append(
            SystemdUnit(
                "sensorpi-zookeeper.service", "mesos-worker", configuration, files={ZOOKEEPER_FILE: configuration}
            )
        )
    if "mesos-worker" in node.roles:
        agent = f"{mesos} {cluster.mesos.agent_port} {offer_of(cluster, node)}"
        found.append(SystemdUnit("sensorpi-mesos-agent.service", "mesos-worker", agent))
    if "mesos-master" in node.roles:
        master = f"{mesos} {cluster.mesos.master_port} {len(cluster.with_role('mesos-master'))}"
        found.append(SystemdUnit("sensorpi-mesos-master.service", "mesos-master", master))
        found.append(SystemdUnit("sensorpi-scheduler.service", "mesos-master", str(cluster), needs_key=True))
    return found
