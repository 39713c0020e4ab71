"""Which configuration counts on this machine: the cluster file, or a cluster of its own on a fresh machine."""

import re
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from sensorpi.common.cluster.identity import identify, is_own_address
from sensorpi.common.cluster.model import FILE_NAME, Cluster, Node, example_text, load, parse, read
from sensorpi.common.cluster.schema import ROLES

_ONE_MACHINE = """\
# Made for a machine whose cluster.toml is still the example, and which is none of the example's nodes.
[nodes.{name}]
address = "127.0.0.1"
roles = ["sensor", "mesos-worker", "mesos-master", "influx-grafana"]
"""

_JOIN = "or join a cluster: sensorpi join FILE"

#: A role on a machine of its own waits unless one of these is installed beside it.
_NEEDED_BESIDE = {
    "sensor": {"mesos-worker"},
    "mesos-worker": {"sensor", "mesos-master", "influx-grafana"},
    "mesos-master": {"mesos-worker"},
}


@dataclass(frozen=True)
class Effective:
    """What this machine is to do. ``text`` is a cluster file; ``waiting`` gives a reason for each role that waits."""

    text: str
    cluster: Cluster
    node: Node | None
    is_own: bool
    waiting: dict[str, str]


def effective(
    directory: Path,
    installed: Collection[str],
    host_name: str | None = None,
    owns: Callable[[str], bool] = is_own_address,
    remembered: str | None = None,
) -> Effective:
    """What the configuration in ``directory`` makes of this machine with these roles installed.

    An untouched example that names neither this machine nor, by the file ``node``, another one is replaced by a
    cluster of this machine alone. The node that it was (``remembered``) it stays where nothing names another: a boot
    without a network has no addresses to know it by. Raises ``UserError`` for a mistake in a file.
    """
    path = directory / FILE_NAME
    cluster = load(path)
    text = read(path)
    node = identify(cluster, directory, host_name, owns)
    if node is None and remembered in [each.name for each in cluster.nodes]:
        node = cluster.node(str(remembered))
    if node is None and text == example_text():
        text = _ONE_MACHINE.format(name=_node_name(socket.gethostname() if host_name is None else host_name))
        cluster = parse(text, "one-machine cluster")
        return Effective(text, cluster, cluster.nodes[0], True, _waiting_alone(installed))
    return Effective(text, cluster, node, False, _waiting_in_cluster(path, node, installed))


def _node_name(host_name: str) -> str:
    label = host_name.split(".")[0].lower()
    return label if re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", label) else "node"


def _waiting_alone(installed: Collection[str]) -> dict[str, str]:
    return {
        role: f"waiting for {' or '.join(sorted(needed))} on this machine, {_JOIN}"
        for role, needed in _NEEDED_BESIDE.items()
        if role in installed and not needed & set(installed)
    }


def _waiting_in_cluster(path: Path, node: Node | None, installed: Collection[str]) -> dict[str, str]:
    if node is None:
        reason = f"waiting: this machine is no node of {path}; write its node's name into {path.parent / 'node'}, "
        return {role: f"{reason}{_JOIN}" for role in ROLES if role in installed}
    reason = f"waiting: {path} does not give {node.name} the role "
    return {role: f"{reason}{role}" for role in ROLES if role in installed and role not in node.roles}
