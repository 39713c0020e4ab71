"""What a unit on a node depends on: each distribution names its own units through an entry point."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points

from sensorpi.common.cluster.model import Cluster, Node

#: Each entry point is a ``SystemdUnitsOf``.
GROUP = "sensorpi.systemd_units"


@dataclass(frozen=True)
class SystemdUnit:
    """A systemd unit of ours, or one of others that we configure.

    ``settings`` is any text that changes when the unit has to be restarted. ``files`` are texts that the unit reads,
    by name below /run/sensorpi; they may hold secrets.
    """

    name: str
    role: str
    settings: str
    needs_key: bool = False
    files: Mapping[str, str] = field(default_factory=dict)


#: The units that a cluster gives this node, with the key if there is one.
SystemdUnitsOf = Callable[[Cluster, Node, bytes | None], list[SystemdUnit]]


def installed_systemd_units(cluster: Cluster, node: Node, key: bytes | None) -> list[SystemdUnit]:
    """The units of all distributions that are installed here, whatever the node's roles."""
    found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    return [unit for entry in found for unit in entry.load()(cluster, node, key)]
