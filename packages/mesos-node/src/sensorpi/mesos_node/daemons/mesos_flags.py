"""The command lines of the Mesos master and the Mesos agent."""

import os
import socket
from pathlib import Path

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.daemons.offer import Offer

MASTER = "mesos-master"
AGENT = "mesos-agent"

#: Longer than Mesos's own 10 s: a ZooKeeper on a slow card may not answer for a while.
_ZOOKEEPER_SESSION = "--zk_session_timeout=20secs"


def zookeeper_url(cluster: Cluster) -> str:
    """Where the masters elect their leader, and where everybody finds it."""
    return f"zk://{cluster.zookeeper_servers}/mesos"


def own_ip_address(cluster: Cluster, node: Node) -> str:
    """The IPv4 address that this node's daemons listen on and tell the others. Raises ``UserError``."""
    if cluster.is_one_machine:
        return "127.0.0.1"
    try:
        found = socket.getaddrinfo(node.address, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise UserError(f"{node.name}: Mesos needs an IPv4 address, and {node.address} has none: {error}") from None
    address = str(found[0][4][0])
    if address.startswith("127.") and not node.address.startswith("127."):
        raise UserError(
            f"{node.name}: {node.address} is {address} on this machine, which others cannot connect to: "
            "write its IP address into cluster.toml"
        )
    return address


def master_command(cluster: Cluster, node: Node, work: Path, program: str = MASTER) -> list[str]:
    """The command line of this node's master, whose registry lies below ``work``."""
    masters = len(cluster.with_role("mesos-master"))
    return [
        program,
        f"--zk={zookeeper_url(cluster)}",
        f"--quorum={masters // 2 + 1}",
        f"--ip={own_ip_address(cluster, node)}",
        f"--port={cluster.mesos.master_port}",
        # Clients of a master that does not lead are sent to this name.
        f"--hostname={'127.0.0.1' if cluster.is_one_machine else node.address}",
        "--no-hostname_lookup",
        "--cluster=sensorpi",
        f"--work_dir={os.fspath(work)}",
        _ZOOKEEPER_SESSION,
        # An agent that does not answer for 75 s is unreachable; after a fail-over it has ten minutes to come back.
        "--agent_ping_timeout=15secs",
        "--max_agent_ping_timeouts=5",
        "--agent_reregister_timeout=10mins",
        # A card may take its time.
        "--registry_fetch_timeout=5mins",
        "--registry_store_timeout=1mins",
        # What has ended is kept in memory.
        "--max_completed_frameworks=5",
        "--max_completed_tasks_per_framework=50",
        "--logging_level=WARNING",
    ]


def agent_command(cluster: Cluster, node: Node, work: Path, offer: Offer, program: str = AGENT) -> list[str]:
    """The command line of this node's agent, which remembers its tasks below ``work``."""
    return [
        program,
        f"--master={zookeeper_url(cluster)}",
        f"--ip={own_ip_address(cluster, node)}",
        f"--port={cluster.mesos.agent_port}",
        # Constraints are on this name.
        f"--hostname={node.name}",
        "--no-hostname_lookup",
        f"--work_dir={os.fspath(work)}",
        _ZOOKEEPER_SESSION,
        f"--resources={offer.resources_flag}",
        *([f"--attributes={offer.attributes_flag}"] if offer.attributes else []),
        "--reconfiguration_policy=additive",
        # Tasks go on without their agent, and it finds them again. By default they end after 15 minutes.
        "--recover=reconnect",
        "--recovery_timeout=4weeks",
        # Tasks stay in the cgroup of the service, where what is left of them can be found.
        "--launcher=posix",
        "--isolation=posix/cpu,posix/mem",
        "--no-systemd_enable_support",
        # A Pi starts a program slowly, and a broker stops slowly.
        "--executor_registration_timeout=5mins",
        "--executor_shutdown_grace_period=90secs",
        "--gc_delay=6hrs",
        "--logging_level=WARNING",
    ]
