"""Which node of the cluster this machine is."""

import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.cluster.validators import nearest
from sensorpi.common.errors import UserError


def is_own_address(address: str) -> bool:
    """Whether this machine has that IP address. False for a host name, which is not looked up."""
    try:
        family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    except ValueError:
        return False
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))  # works for the machine's own addresses only; nothing is sent
        except OSError:
            return False
    return True


def identify(
    cluster: Cluster,
    directory: Path,
    host_name: str | None = None,
    owns: Callable[[str], bool] = is_own_address,
) -> Node | None:
    """This machine's node, or ``None``: by the name in ``directory/node``, else by host name, else by address.

    ``host_name`` is by default the machine's; what follows its first dot is ignored. Raises ``UserError`` when
    ``directory/node`` names an unknown node.
    """
    names = [node.name for node in cluster.nodes]
    file = directory / "node"
    try:
        name = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: {error}") from None
    else:
        if name not in names:
            raise UserError(f'{file}: no node "{name}" in the cluster; {nearest(name, names)}')
        return cluster.node(name)
    label = (socket.gethostname() if host_name is None else host_name).split(".")[0].lower()
    if label in names:
        return cluster.node(label)
    return next((node for node in cluster.nodes if owns(node.address)), None)


def identify_or_fail(cluster: Cluster, directory: Path, name: str | None = None) -> Node:
    """The node of that name, by default this machine's. Raises ``UserError`` when there is none."""
    names = [node.name for node in cluster.nodes]
    if name is not None:
        if name not in names:
            raise UserError(f'no node "{name}" in the cluster; {nearest(name, names)}')
        return cluster.node(name)
    node = identify(cluster, directory)
    if node is None:
        raise UserError(
            f"this machine is not a node of the cluster, by host name or by address; write one of "
            f"{', '.join(names)} into {directory / 'node'}"
        )
    return node
