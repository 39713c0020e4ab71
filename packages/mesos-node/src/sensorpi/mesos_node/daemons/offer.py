"""What an agent offers to Mesos, and whether Mesos accepts that after what it offered before.

Mesos refuses an agent that returns with less than before, or with a changed attribute, while the agent still knows its
tasks. So everything comes from the cluster file, nothing is measured, and the last offer is remembered.
"""

import json
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.cluster.schema import SPARK_PORTS
from sensorpi.common.cluster.spark import spark_master
from sensorpi.common.daemon import untrusted
from sensorpi.common.files import render

#: First and last of each range: the fixed ports of brokers and Spark, and Mesos's default.
_PORT_RANGES = ((7000, 7089), (31000, 32000))

#: For sandboxes: tasks keep their data elsewhere. By default Mesos would measure the card.
_SANDBOX_MB = 1024

_REMEMBERED = "offer.json"
_LAST_PORT = 65535


@dataclass(frozen=True)
class Offer:
    """An agent's resources and attributes. ``ports`` are ranges with their first and last."""

    cpus: float
    memory_mb: int
    ports: tuple[tuple[int, int], ...]
    attributes: dict[str, str]

    @property
    def resources_flag(self) -> str:
        """The value of ``--resources``."""
        ports = ",".join(f"{first}-{last}" for first, last in self.ports)
        return f"cpus:{self.cpus:g};mem:{self.memory_mb};disk:{_SANDBOX_MB};ports:[{ports}]"

    @property
    def attributes_flag(self) -> str:
        """The value of ``--attributes``; empty when there are none."""
        return ";".join(f"{name}:{text}" for name, text in self.attributes.items())

    def takes_away(self, earlier: "Offer") -> str:
        """The changes of an earlier offer that Mesos refuses, in words; empty when there are none."""
        changes = [
            f"{name} {old:g} → {new:g}"
            for name, old, new in (
                ("cpus", earlier.cpus, self.cpus),
                ("memory_mb", earlier.memory_mb, self.memory_mb),
            )
            if new < old
        ]
        changes += [
            f"attribute {name} {text} → {self.attributes.get(name, 'none')}"
            for name, text in earlier.attributes.items()
            if self.attributes.get(name) != text
        ]
        changes += [f"port {port} → none" for port in sorted(_ports(earlier) - _ports(self))[:3]]
        return ", ".join(changes)


def _ports(offer: Offer) -> set[int]:
    return {port for first, last in offer.ports for port in range(first, last + 1)}


def offer_of(cluster: Cluster, node: Node) -> Offer:
    """What the cluster file says this worker offers."""
    spark = range(cluster.spark.first_port, cluster.spark.first_port + SPARK_PORTS)
    master = spark_master(cluster)
    fixed = {cluster.kafka.port, cluster.kafka.controller_port, *spark, *([] if master is None else [master[1]])}
    others = sorted(port for port in fixed if not any(first <= port <= last for first, last in _PORT_RANGES))
    ports = (*_PORT_RANGES, *((port, port) for port in others))
    return Offer(node.cpus, node.memory_mb, ports, dict(node.attributes))


def refusal(offer: Offer, work: Path) -> str:
    """Why Mesos would refuse an agent with this offer, in one line; empty when it would not.

    ``work`` is the agent's work_dir. Otherwise the offer is remembered there for the next start.
    """
    latest = work / "meta/slaves/latest"
    remembered = work / _REMEMBERED
    # Without the last offer, Mesos itself checks this one, with a longer message.
    earlier = untrusted.load(remembered, _offer) if latest.is_symlink() else None
    changes = "" if earlier is None else offer.takes_away(earlier)
    if changes:
        return (
            f"cluster.toml takes away what this agent offered ({changes}), which Mesos refuses: restore it, as an "
            f"offer can only grow, or give up the agent's tasks by removing {latest}"
        )
    render({_REMEMBERED: json.dumps(asdict(offer))}, work)
    return ""


def _offer(text: str) -> Offer:
    values = untrusted.parse_json(text)
    attributes, numbers = values["attributes"], (values["cpus"], values["memory_mb"], *chain(*values["ports"]))
    if not all(isinstance(each, int | float) for each in numbers) or not all(
        isinstance(each, str) for each in chain(*attributes.items())
    ):
        raise TypeError("it has values of the wrong type")
    ports = tuple((first, last) for first, last in values["ports"])
    if not all(0 <= first <= last <= _LAST_PORT for first, last in ports):
        raise ValueError("it has ports that do not exist")
    return Offer(values["cpus"], values["memory_mb"], ports, attributes)
