"""The cluster that the cluster file describes: nodes, roles, and what follows from them."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import voluptuous as vol

from sensorpi.common.cluster.checks import check_whole
from sensorpi.common.cluster.schema import (
    DashboardSettings,
    InfluxdbSettings,
    KafkaSettings,
    MesosSettings,
    NodeSettings,
    SensorSettings,
    SparkSettings,
    mistake_line,
    validate,
)
from sensorpi.common.errors import UserError

FILE_NAME = "cluster.toml"

#: More controllers than this do not make the cluster safer, and each costs a disk write.
_MOST_VOTERS = 3


@dataclass(frozen=True)
class Node:
    """One machine of the cluster. ``address`` is what other nodes connect to: an IP address or a host name.

    ``attributes``, ``cpus`` and ``memory_mb`` are what a worker offers to Mesos.
    """

    name: str
    address: str
    roles: tuple[str, ...]
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
    cpus: float = NodeSettings.cpus
    memory_mb: int = NodeSettings.memory_mb


@dataclass(frozen=True)
class Cluster:
    """The validated file. The nodes are in the file's order, which gives the brokers their ids."""

    engine: str
    nodes: tuple[Node, ...]
    kafka: KafkaSettings
    spark: SparkSettings
    influxdb: InfluxdbSettings
    sensor: SensorSettings
    dashboard: DashboardSettings
    mesos: MesosSettings

    def node(self, name: str) -> Node:
        """The node of that name; ``KeyError`` when there is none."""
        return {node.name: node for node in self.nodes}[name]

    def with_role(self, role: str) -> tuple[Node, ...]:
        """The nodes that have this role, in the file's order."""
        return tuple(node for node in self.nodes if role in node.roles)

    @property
    def workers(self) -> tuple[Node, ...]:
        """The nodes that run a broker; a broker's id is its index here."""
        return self.with_role("mesos-worker")

    def broker_id(self, node: Node) -> int:
        """The id of this worker's broker; ``ValueError`` when the node is not a worker."""
        return self.workers.index(node)

    @property
    def voters(self) -> tuple[Node, ...]:
        """The workers whose brokers are also controllers: an odd number, so only the first one of two."""
        return self.workers[: _MOST_VOTERS if len(self.workers) >= _MOST_VOTERS else 1]

    @property
    def zookeeper_nodes(self) -> tuple[Node, ...]:
        """The workers that run ZooKeeper under Mesos: an odd number, as with the voters."""
        return self.voters

    @property
    def zookeeper_servers(self) -> str:
        """Every ZooKeeper server as ``host:port``, separated by commas, for its clients."""
        port = self.mesos.zookeeper_port
        return ",".join(f"{self.connect_address(node)}:{port}" for node in self.zookeeper_nodes)

    @property
    def replication_factor(self) -> int:
        """How many brokers have a copy of each partition."""
        return min(3, len(self.workers))

    @property
    def min_insync_replicas(self) -> int:
        """How many of them must have a message before it is acknowledged."""
        return max(1, self.replication_factor - 1)

    @property
    def influxdb_node(self) -> Node:
        """Where InfluxDB and the dashboards are."""
        return self.with_role("influx-grafana")[0]

    @property
    def spark_node(self) -> Node:
        """Where the Spark job's driver runs; with several mesos-master nodes, the first."""
        return self.with_role("mesos-master")[0]

    @property
    def is_one_machine(self) -> bool:
        """Whether all parts communicate over loopback."""
        return len(self.nodes) == 1

    def connect_address(self, node: Node) -> str:
        """What a client in the cluster connects to, in brackets when it is an IPv6 address."""
        address = "127.0.0.1" if self.is_one_machine else node.address
        return f"[{address}]" if ":" in address else address

    @property
    def bootstrap_servers(self) -> str:
        """Every broker as ``host:port``, separated by commas, for Kafka's clients."""
        return ",".join(f"{self.connect_address(node)}:{self.kafka.port}" for node in self.workers)

    @property
    def influxdb_url(self) -> str:
        """Where InfluxDB's HTTP API is."""
        return f"http://{self.connect_address(self.influxdb_node)}:{self.influxdb.port}"


def config_directory() -> Path:
    """Where this node's configuration is: ``$SENSORPI_CONFIG``, else /etc/sensorpi."""
    return Path(os.environ.get("SENSORPI_CONFIG") or "/etc/sensorpi")


def example_text() -> str:
    """The cluster file that is shipped, and copied to /etc/sensorpi by the package."""
    return files(__package__).joinpath(FILE_NAME).read_text(encoding="utf-8")


def load(path: Path) -> Cluster:
    """Read and check a cluster file. Raises ``UserError``, one line with file, key, value and what was expected."""
    return parse(read(path), os.fspath(path))


def read(path: Path) -> str:
    """The text of a cluster file. Raises ``UserError``."""
    try:
        return plain_text(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not UTF-8") from None


def plain_text(content: bytes) -> str:
    """Decode UTF-8. A byte order mark, and CR LF at line ends, as editors on Windows write them, are removed.

    Raises ``UnicodeDecodeError``.
    """
    return content.decode("utf-8-sig").replace("\r\n", "\n")


def read_toml(text: str, source: str) -> dict[str, Any]:
    """The data of a TOML text, which ``source`` names in messages. Raises ``UserError``."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also for a number with thousands of digits, and for [[[[…
        raise UserError(f"{source}: not TOML: {error}") from None


def parse(text: str, source: str) -> Cluster:
    """Check the text of a cluster file, which ``source`` names in messages. Raises ``UserError``."""
    data = read_toml(text, source)
    for name in ("card", "node"):  # but a table "node" is a mistyped "nodes"
        if name in data and (name == "card" or isinstance(data[name], str)):
            raise UserError(f"{source}: {name}: expected in a card's sensorpi.toml only, not in a cluster file")
    try:
        validated = validate(data)
        check_whole(validated, data)
    except vol.Invalid as mistake:
        raise UserError(f"{source}: {mistake_line(mistake, data)}") from None
    nodes = tuple(Node(name, **vars(node)) for name, node in validated.pop("nodes").items())
    return Cluster(nodes=nodes, **validated)
