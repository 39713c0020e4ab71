"""What a node's systemd units depend on. Each distribution names its own units through an entry point."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points

from sensorpi.common.cluster.model import Cluster, Node

#: Each entry point is a ``SystemdUnitsOf``.
GROUP = "sensorpi.systemd_units"


@dataclass(frozen=True)
class SystemdUnit:
    """A systemd unit of ours, or of another package, such as InfluxDB's, that we configure.

    ``settings`` is any text that changes when the unit has to be restarted. ``files`` are the texts of files that the
    unit reads, by their names below /run/sensorpi; they may contain secrets.
    """

    name: str
    role: str
    settings: str
    needs_key: bool = False
    files: Mapping[str, str] = field(default_factory=dict)


#: The systemd units of this node of a cluster. The key is None where it is missing.
SystemdUnitsOf = Callable[[Cluster, Node, bytes | None], list[SystemdUnit]]


def installed_systemd_units(cluster: Cluster, node: Node, key: bytes | None) -> list[SystemdUnit]:
    """The systemd units of this node, from all installed distributions."""
    found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    return [unit for entry in found for unit in entry.load()(cluster, node, key)]
