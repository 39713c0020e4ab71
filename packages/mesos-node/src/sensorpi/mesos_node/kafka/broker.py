"""What one worker's Kafka broker is: its server.properties, its log4j2 configuration and its JVM's command line.

With these small figures a broker was measured to fit a Pi with 1 GB. With Kafka's defaults it runs out of memory at a
heap of 128 MB: the log cleaner's buffer alone is that large.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.daemon.jvm import daemon_jvm_flags
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.kafka.topics import DEAD_LETTER_MESSAGE_MAX_BYTES
from sensorpi.mesos_node.notation.allowed import check_properties, jvm_words

#: A broker that cannot register exits after this long (Kafka's default is 60 s), and then its vote is missing as well.
#: Ten minutes are enough for workers that are switched on one after the other to find each other.
_REGISTRATION_TIMEOUT_MS = 600_000

#: A request has to fit into the heap many times over. With Kafka's default of 100 MB one client can crash the broker.
_REQUEST_MAX_BYTES = 16 * 1024 * 1024

SERVER_PROPERTIES = "server.properties"
LOG4J2 = "log4j2.xml"

#: The identity of a broker, which its options cannot change.
FIXED_PROPERTIES = (
    "process.roles",
    "node.id",
    "controller.quorum.voters",
    "controller.listener.names",
    "listeners",
    "advertised.listeners",
    "inter.broker.listener.name",
    "log.dirs",
)

#: A change of this text, or of a comment in it, restarts every broker when the packages are upgraded.
_LOG4J2 = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- One line a message on standard output; times are the journal's. While another broker is off, these two would say so
     every second: three lines in five minutes are enough. -->
<Configuration status="WARN">
  <Appenders>
    <Console name="console">
      <PatternLayout alwaysWriteExceptions="false" pattern="%p %c{1}: %m{nolookups} %throwable{short.message}%n"/>
    </Console>
  </Appenders>
  <Loggers>
    <Logger name="org.apache.kafka.storage.internals.log.LogLoader" level="INFO"/>
    <Logger name="org.apache.kafka.clients.NetworkClient" level="WARN">
      <BurstFilter level="WARN" rate="0.01" maxBurst="3"/>
    </Logger>
    <Logger name="kafka.server.ReplicaFetcherThread" level="WARN">
      <BurstFilter level="WARN" rate="0.01" maxBurst="3"/>
    </Logger>
    <Root level="WARN"><AppenderRef ref="console"/></Root>
  </Loggers>
</Configuration>
"""


@dataclass(frozen=True)
class Broker:
    """The broker of one worker, with its id's folder below ``data`` (on a node /var/lib/sensorpi/kafka)."""

    cluster: Cluster
    node: Node
    data: Path
    number: int | None = None  # its id, unless it is the worker's own
    own_port: int | None = None  # unless it is the cluster's
    own_heap_mb: int | None = None
    options: Mapping[str, str] = field(default_factory=dict, hash=False)  # additional properties
    jvm_options: str = ""  # words for the JVM, quoted as in a shell
    has_run: bool = False  # it is known that the broker was formatted before

    def __post_init__(self) -> None:
        """Raise ``UserError`` when the node is not a worker, the id is another worker's, or a setting is not valid."""
        workers = self.cluster.workers
        if self.node not in workers:
            raise UserError(f"{self.node.name} does not have the role mesos-worker, so no broker runs on it")
        for option, number, lowest, highest in (
            ("--id", self.id, 0, 9999),
            ("--port", self.port, 1, 65535),
            ("--heap", self.heap_mb, 1, 16_777_216),
        ):
            if not lowest <= number <= highest:
                raise UserError(f"{option} {number}: expected a number from {lowest} to {highest}")
        jvm_words(self.jvm_options)
        if self.is_declared and self.id != self.cluster.broker_id(self.node):
            raise UserError(f"broker {self.id} belongs to {workers[self.id].name}, and this node is {self.node.name}")
        fixed = sorted(set(self.options) & set(FIXED_PROPERTIES))
        if fixed:
            raise UserError(f"broker {self.id}: {fixed[0]} comes from cluster.toml and cannot be set")
        check_properties(self.options, f"broker {self.id}")

    @property
    def id(self) -> int:
        """The broker's id: its worker's place in the file, or a higher number when a command has added the broker."""
        return self.cluster.broker_id(self.node) if self.number is None else self.number

    @property
    def is_declared(self) -> bool:
        """Whether cluster.toml declares it."""
        return self.id < len(self.cluster.workers)

    @property
    def port(self) -> int:
        """The port of its client listener."""
        return self.cluster.kafka.port if self.own_port is None else self.own_port

    @property
    def heap_mb(self) -> int:
        """The heap of its JVM."""
        return self.cluster.kafka.heap_mb if self.own_heap_mb is None else self.own_heap_mb

    @property
    def is_voter(self) -> bool:
        """Whether it is one of the controllers as well."""
        return self.id < len(self.cluster.voters)

    @property
    def other_voters(self) -> tuple[str, ...]:
        """The client listeners (host:port) of the voters on other nodes."""
        port = self.cluster.kafka.port
        others = (voter for voter in self.cluster.voters if voter != self.node or not self.is_voter)
        return tuple(f"{self.cluster.connect_address(voter)}:{port}" for voter in others)

    @property
    def log_directory(self) -> Path:
        """The folder of its partitions and of the cluster's metadata."""
        return self.data / str(self.id)

    @property
    def bind_address(self) -> str:
        """The address it listens on: all of them, or only loopback when the cluster uses only that.

        A health check can use loopback while other nodes use the node's address.
        """
        address = self.cluster.connect_address(self.node)
        return address if address.startswith("127.") else "0.0.0.0"

    @property
    def listener(self) -> str:
        """Its own client listener as a local client reaches it, ``host:port``."""
        address = "127.0.0.1" if self.bind_address == "0.0.0.0" else self.bind_address
        return f"{address}:{self.port}"

    def properties(self) -> dict[str, str]:
        """server.properties, in the order in which it is written."""
        cluster, kafka = self.cluster, self.cluster.kafka
        ports = {"PLAINTEXT": self.port} | ({"CONTROLLER": kafka.controller_port} if self.is_voter else {})
        listeners = [f"{name}://{self.bind_address}:{port}" for name, port in ports.items()]
        # All of them: for a missing one Kafka uses the host's name, and exits when that cannot be resolved.
        advertised = [f"{name}://{cluster.connect_address(self.node)}:{port}" for name, port in ports.items()]
        voters = [
            f"{cluster.broker_id(voter)}@{cluster.connect_address(voter)}:{kafka.controller_port}"
            for voter in cluster.voters
        ]
        factor, in_sync = cluster.replication_factor, cluster.min_insync_replicas
        settings: dict[str, str | int | Path] = {
            "process.roles": "broker,controller" if self.is_voter else "broker",
            "node.id": self.id,
            "controller.quorum.voters": ",".join(voters),
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join(listeners),
            "advertised.listeners": ",".join(advertised),
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self.log_directory.absolute(),
            "initial.broker.registration.timeout.ms": _REGISTRATION_TIMEOUT_MS,
            "unclean.leader.election.enable": "false",
            # topics
            "auto.create.topics.enable": "false",
            "num.partitions": kafka.partitions,
            "default.replication.factor": factor,
            "min.insync.replicas": in_sync,
            "log.message.timestamp.type": "LogAppendTime",
            "message.max.bytes": DEAD_LETTER_MESSAGE_MAX_BYTES,
            "replica.fetch.max.bytes": DEAD_LETTER_MESSAGE_MAX_BYTES,
            "socket.request.max.bytes": _REQUEST_MAX_BYTES,
            "queued.max.request.bytes": 2 * _REQUEST_MAX_BYTES,
            "log.retention.hours": kafka.retention_hours,
            "log.retention.bytes": kafka.retention_mb * 1024 * 1024,
            "log.segment.bytes": 64 * 1024 * 1024,
            # Kafka's internal topics
            "offsets.topic.num.partitions": len(cluster.voters),
            "offsets.topic.replication.factor": factor,
            "transaction.state.log.num.partitions": len(cluster.voters),
            "transaction.state.log.replication.factor": factor,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.num.partitions": len(cluster.voters),
            "share.coordinator.state.topic.replication.factor": factor,
            "share.coordinator.state.topic.min.isr": in_sync,
            "group.initial.rebalance.delay.ms": 0,
            # a small machine with a card for a disk
            "num.network.threads": 1,
            "num.io.threads": 2,
            "num.replica.fetchers": 1,
            "background.threads": 2,
            "num.recovery.threads.per.data.dir": 1,
            "log.cleaner.threads": 1,
            "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
            "metadata.max.idle.interval.ms": 10_000,  # by default an idle controller writes to the disk twice a second
        }
        return {**{key: str(value) for key, value in settings.items()}, **self.options}

    def properties_text(self) -> str:
        """The text of server.properties."""
        title = f"# Broker {self.id}, {self.node.name}. Made from cluster.toml: changes here are lost.\n"
        return title + "".join(f"{key}={escape_value(value)}\n" for key, value in self.properties().items())

    def log4j2_text(self) -> str:
        """The text of log4j2.xml: warnings, errors and the recovery of a large log, to standard output only."""
        return _LOG4J2

    def java_command(self, jars: Path, log4j2: Path, main_class: str, *arguments: str) -> list[str]:
        """The command line that runs one of Kafka's classes within the broker's limits."""
        return [
            "java",
            *daemon_jvm_flags(self.heap_mb, metaspace_mb=128, code_cache_mb=48),
            *jvm_words(self.jvm_options),
            f"-Dlog4j2.configurationFile={log4j2}",
            "-cp",
            os.fspath(jars / "*"),
            main_class,
            *arguments,
        ]


def broker_files(broker: Broker) -> dict[str, str]:
    """What the broker's JVM reads: each file's name and text."""
    return {SERVER_PROPERTIES: broker.properties_text(), LOG4J2: broker.log4j2_text()}


def escape_value(value: str) -> str:
    """A value as java.util.Properties reads it: backslashes doubled, all but printable ASCII as escaped code units."""
    utf16 = value.encode("utf-16-be", "surrogatepass")
    units = (int.from_bytes(utf16[at : at + 2], "big") for at in range(0, len(utf16), 2))
    escaped = "".join(
        "\\\\" if unit == ord("\\") else chr(unit) if 0x20 <= unit < 0x7F else f"\\u{unit:04x}" for unit in units
    )
    return "\\" + escaped if escaped.startswith(" ") else escaped
