"""The command lines of the Mesos master and the Mesos agent."""

import os
import socket
from pathlib import Path

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.daemons.offer import Offer

MASTER = "mesos-master"
AGENT = "mesos-agent"

#: Longer than Mesos's default of 10 s: ZooKeeper on a slow card can take a while to answer.
_ZOOKEEPER_SESSION = "--zk_session_timeout=20secs"


def zookeeper_url(cluster: Cluster) -> str:
    """Where the masters elect their leader, and where agents and frameworks find it."""
    return f"zk://{cluster.zookeeper_servers}/mesos"


def own_ip_address(cluster: Cluster, node: Node) -> str:
    """The IPv4 address that this node's daemons listen on and advertise. Raises ``UserError``."""
    if cluster.is_one_machine:
        return "127.0.0.1"
    try:
        found = socket.getaddrinfo(node.address, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise UserError(
            f"{node.name}: Mesos needs an IPv4 address, and {node.address} does not resolve to one: {error}"
        ) from None
    address = str(found[0][4][0])
    if address.startswith("127.") and not node.address.startswith("127."):
        raise UserError(
            f"{node.name}: {node.address} resolves to {address} on this machine, where other nodes cannot connect: "
            "write its IP address into cluster.toml"
        )
    return address


def master_command(cluster: Cluster, node: Node, work: Path, program: str = MASTER) -> list[str]:
    """The command line of this node's master, which keeps its registry below ``work``."""
    masters = len(cluster.with_role("mesos-master"))
    return [
        program,
        f"--zk={zookeeper_url(cluster)}",
        f"--quorum={masters // 2 + 1}",
        f"--ip={own_ip_address(cluster, node)}",
        f"--port={cluster.mesos.master_port}",
        # Other masters redirect clients to this name while this one leads.
        f"--hostname={'127.0.0.1' if cluster.is_one_machine else node.address}",
        "--no-hostname_lookup",
        "--cluster=sensorpi",
        f"--work_dir={os.fspath(work)}",
        _ZOOKEEPER_SESSION,
        # An agent that does not answer for 75 s is unreachable; after a fail-over it has ten minutes to return.
        "--agent_ping_timeout=15secs",
        "--max_agent_ping_timeouts=5",
        "--agent_reregister_timeout=10mins",
        # A card can be slow.
        "--registry_fetch_timeout=5mins",
        "--registry_store_timeout=1mins",
        # Completed frameworks and tasks are kept in memory.
        "--max_completed_frameworks=5",
        "--max_completed_tasks_per_framework=50",
        "--logging_level=WARNING",
    ]


def agent_command(cluster: Cluster, node: Node, work: Path, offer: Offer, program: str = AGENT) -> list[str]:
    """The command line of this node's agent, which keeps the state of its tasks below ``work``."""
    return [
        program,
        f"--master={zookeeper_url(cluster)}",
        f"--ip={own_ip_address(cluster, node)}",
        f"--port={cluster.mesos.agent_port}",
        # Constraints on `hostname` match this name.
        f"--hostname={node.name}",
        "--no-hostname_lookup",
        f"--work_dir={os.fspath(work)}",
        _ZOOKEEPER_SESSION,
        f"--resources={offer.resources_flag}",
        *([f"--attributes={offer.attributes_flag}"] if offer.attributes else []),
        "--reconfiguration_policy=additive",
        # Tasks continue without their agent, which finds them again. By default they end after 15 minutes.
        "--recover=reconnect",
        "--recovery_timeout=4weeks",
        # Tasks stay in the cgroup of the service, where leftover processes can be found.
        "--launcher=posix",
        "--isolation=posix/cpu,posix/mem",
        "--no-systemd_enable_support",
        # A Pi starts a program slowly, and a broker stops slowly.
        "--executor_registration_timeout=5mins",
        "--executor_shutdown_grace_period=90secs",
        "--gc_delay=6hrs",
        "--logging_level=WARNING",
    ]
