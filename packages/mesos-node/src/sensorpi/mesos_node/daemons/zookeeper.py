"""A worker's ZooKeeper server, from Debian's jars: its zoo.cfg, its id and the command line of its JVM."""

import os
import socket
from pathlib import Path

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.daemon.jvm import daemon_jvm_flags
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.launcher import Probe, ProbeError

#: Debian's jars: the manifest of the first names the other jars that it needs, and the second writes the log.
_JARS = (Path("/usr/share/java/zookeeper.jar"), Path("/usr/share/java/slf4j-simple.jar"))

#: Mesos stores only a few kilobytes in it.
_HEAP_MB = 48

#: Its answer while there is no majority of servers: this server itself is healthy.
_NOT_SERVING = "not currently serving requests"


def server_id(cluster: Cluster, node: Node) -> int:
    """The number of this node's server: its place among the workers, from 1. Raises ``UserError`` if it runs none."""
    if node not in cluster.zookeeper_nodes:
        names = ", ".join(each.name for each in cluster.zookeeper_nodes)
        raise UserError(f"{node.name} does not run ZooKeeper: cluster.toml assigns it to {names}")
    return cluster.zookeeper_nodes.index(node) + 1


def zoo_cfg(cluster: Cluster, data: Path) -> str:
    """The text of zoo.cfg; ``data`` is where the server keeps its files."""
    mesos = cluster.mesos
    lines = [
        "# Made from cluster.toml: changes here are lost.",
        f"dataDir={data}",
        f"clientPort={mesos.zookeeper_port}",
        *(["clientPortAddress=127.0.0.1"] if cluster.is_one_machine else []),
        "tickTime=2000",
        "initLimit=30",  # a minute, on a Pi whose card is slow
        "syncLimit=10",
        "maxClientCnxns=60",
        "preAllocSize=1024",  # KB; by default each log file begins with 64 MB
        "snapCount=10000",
        "autopurge.snapRetainCount=3",
        "autopurge.purgeInterval=24",
        "admin.enableServer=false",  # it would take port 8080
        "4lw.commands.whitelist=srvr",
    ]
    if len(cluster.zookeeper_nodes) > 1:
        # In /etc/hosts a node's own name can be a loopback address.
        lines.append("quorumListenOnAllIPs=true")
        for number, node in enumerate(cluster.zookeeper_nodes, start=1):
            address = cluster.connect_address(node)
            lines.append(f"server.{number}={address}:{mesos.zookeeper_peer_port}:{mesos.zookeeper_election_port}")
    return "\n".join(lines) + "\n"


def java_command(configuration: Path) -> list[str]:
    """The command line that runs the server within its limits. Raises ``UserError`` when its jars are missing."""
    for jar in _JARS:
        if not jar.exists():
            raise UserError(f"{jar} is missing: apt install libzookeeper-java")
    return [
        "java",
        *daemon_jvm_flags(_HEAP_MB, metaspace_mb=64, code_cache_mb=32),
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showThreadName=false",
        "-Dorg.slf4j.simpleLogger.showShortLogName=true",
        "-Dorg.slf4j.simpleLogger.levelInBrackets=true",
        "-cp",
        ":".join(map(os.fspath, _JARS)),
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        os.fspath(configuration.absolute()),
    ]


def zookeeper_probe(port: int, timeout_s: float = 5.0) -> Probe:
    """A probe of this machine's server, by its command ``srvr`` over loopback."""

    def probe() -> str:
        answer = _ask("srvr", port, timeout_s)
        mode = next((line.removeprefix("Mode: ") for line in answer.splitlines() if line.startswith("Mode: ")), None)
        if mode is not None:
            return f"serves at port {port}, {mode}"
        if _NOT_SERVING in answer:
            return f"answers at port {port}, waiting for a majority of the servers"
        raise ProbeError(f"port {port} does not answer like ZooKeeper: {answer[:60]!r}")

    return probe


def _ask(word: str, port: int, timeout_s: float) -> str:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(word.encode())
            parts = iter(lambda: connection.recv(4096), b"")
            return b"".join(parts).decode(errors="replace")
    except OSError as error:
        raise ProbeError(f"port {port}: {error}") from None
