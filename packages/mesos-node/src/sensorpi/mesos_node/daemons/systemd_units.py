"""The systemd units of the Mesos engine, and the settings that each depends on."""

from pathlib import Path

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.config.systemd_unit import SystemdUnit
from sensorpi.mesos_node.daemons.mesos_flags import zookeeper_url
from sensorpi.mesos_node.daemons.offer import offer_of
from sensorpi.mesos_node.daemons.zookeeper import zoo_cfg

#: Units of other packages that would use our ports. A drop-in of ours prevents their start while the engine is Mesos.
#: They are listed here so that those that run are restarted, which ends them.
MAKERS_UNITS = {
    "mesos-worker": ("mesos-agent.service", "mesos-slave.service", "zookeeper.service"),
    "mesos-master": ("mesos-master.service",),
}

#: A worker runs ZooKeeper only where this file exists.
ZOOKEEPER_FILE = "zookeeper.conf"

_ZOOKEEPER_DATA = Path("/var/lib/sensorpi/zookeeper")


def systemd_units(cluster: Cluster, node: Node, _key: bytes | None) -> list[SystemdUnit]:
    """The units of the node's roles, if cluster.toml says ``engine = "mesos"``."""
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
