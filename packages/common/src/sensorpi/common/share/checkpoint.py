"""The job's checkpoint on a share: the first mesos-master exports a folder, and the other nodes of the job mount it.

Two shipped services do that. What depends on the cluster file is rendered below /run/sensorpi, for their environment.
"""

import pwd
from collections.abc import Callable
from pathlib import Path

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.config.systemd_unit import SystemdUnit

#: The same path on every node.
SHARE = Path("/var/lib/sensorpi/checkpoint")
MOUNT_UNIT = "sensorpi-checkpoint-mount.service"
EXPORT_UNIT = "sensorpi-checkpoint-export.service"

MOUNT_FILE = "checkpoint-mount.env"
EXPORT_FILE = "checkpoint-export.env"

#: All clients write to the share as this user of the server: its number differs from node to node.
OWNER = "sensorpi-job"

_MOUNTING_ROLES = ("mesos-worker", "mesos-master")


def owner_ids() -> tuple[int, int]:
    """User id and group id of the share's owner on this node; ``KeyError`` if the job's package is not installed."""
    owner = pwd.getpwnam(OWNER)
    return owner.pw_uid, owner.pw_gid


def systemd_units(
    cluster: Cluster, node: Node, _key: bytes | None, ids: Callable[[], tuple[int, int]] = owner_ids
) -> list[SystemdUnit]:
    """The export on the node that has the share, or the mount on another node that may run the job."""
    if cluster.spark.checkpoint != "nfs":
        return []
    server = cluster.spark_node
    clients = [each for each in cluster.nodes if each != server and set(each.roles) & set(_MOUNTING_ROLES)]
    if node == server:
        return [_export(cluster, clients, ids)] if clients else []
    role = next((role for role in _MOUNTING_ROLES if role in node.roles), None)
    if role is None:
        return []
    environment = f"SENSORPI_SHARE={cluster.connect_address(server)}:{SHARE}\n"
    return [SystemdUnit(MOUNT_UNIT, role, environment, files={MOUNT_FILE: environment})]


def _export(cluster: Cluster, clients: list[Node], ids: Callable[[], tuple[int, int]]) -> SystemdUnit:
    try:
        user, group = ids()
    except KeyError:  # the role is not installed here, so the export is not used
        user = group = 65534
    options = f"rw,sync,no_subtree_check,all_squash,anonuid={user},anongid={group}"
    exports = " ".join(f"{cluster.connect_address(client)}:{SHARE}" for client in clients)
    environment = f"SENSORPI_EXPORT_OPTIONS={options}\nSENSORPI_EXPORTS={exports}\n"
    return SystemdUnit(EXPORT_UNIT, "mesos-master", environment, files={EXPORT_FILE: environment})
