"""The configuration that is in effect: the cluster file's, or on a fresh machine a one-machine cluster."""

import re
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from sensorpi.common.cluster.identity import identify, is_own_address
from sensorpi.common.cluster.model import FILE_NAME, Cluster, Node, example_text, load, parse, read
from sensorpi.common.cluster.schema import ROLES

_ONE_MACHINE = """\
# Made because this machine's cluster.toml is still the example, and the machine is not one of the example's nodes.
[nodes.{name}]
address = "127.0.0.1"
roles = ["sensor", "mesos-worker", "mesos-master", "influx-grafana"]
"""

_JOIN = "or join a cluster: sensorpi join FILE"

#: In a one-machine cluster, a role waits unless one of these is installed too.
_NEEDED = {
    "sensor": {"mesos-worker"},
    "mesos-worker": {"sensor", "mesos-master", "influx-grafana"},
    "mesos-master": {"mesos-worker"},
}


@dataclass(frozen=True)
class Effective:
    """What this machine has to do. ``text`` is a cluster file; ``waiting`` has the roles that wait, with reasons.

    ``is_own`` tells whether the machine is a cluster by itself.
    """

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
    """The configuration in ``directory`` for this machine, on which these roles are installed.

    If the cluster file is still the example, and this machine is not one of its nodes, it becomes a one-machine
    cluster. A machine that matches no node stays the one that it was (``remembered``): after a boot without network
    it has no addresses to be found by. Raises ``UserError`` for a mistake in a file.
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
        for role, needed in _NEEDED.items()
        if role in installed and not needed & set(installed)
    }


def _waiting_in_cluster(path: Path, node: Node | None, installed: Collection[str]) -> dict[str, str]:
    if node is None:
        reason = f"waiting: this machine is not a node of {path}; write its node's name into {path.parent / 'node'}, "
        return {role: f"{reason}{_JOIN}" for role in ROLES if role in installed}
    reason = f"waiting: {path} does not give {node.name} the role "
    return {role: f"{reason}{role}" for role in ROLES if role in installed and role not in node.roles}
