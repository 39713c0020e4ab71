"""Checks of a cluster file that concern several keys: roles, addresses, ports and memory."""

from typing import Any

import voluptuous as vol

from sensorpi.common.cluster.addresses import is_loopback, why_unreachable
from sensorpi.common.cluster.schema import (
    JOB_OVERHEAD_MB,
    SPARK_DAEMON_MB,
    SPARK_PORTS,
    KafkaSettings,
    NodeSettings,
    SparkSettings,
)
from sensorpi.common.cluster.spark_url import spark_url

#: Memory that a JVM needs besides its heap: a broker with a heap of 128 MB used 295 MB after an hour of load.
JVM_OVERHEAD_MB = 176

_NEEDED_ROLES = {
    "mesos-worker": "keeps the readings",
    "mesos-master": "runs the job",
    "influx-grafana": "stores and shows them",
}

_PORTS = (
    ("kafka", "port"),
    ("kafka", "controller_port"),
    ("influxdb", "port"),
    ("influxdb", "backup_port"),
    ("dashboard", "port"),
    ("mesos", "zookeeper_port"),
    ("mesos", "zookeeper_peer_port"),
    ("mesos", "zookeeper_election_port"),
    ("mesos", "master_port"),
    ("mesos", "agent_port"),
    ("mesos", "api_port"),
)


def check_whole(validated: dict[str, Any], data: dict[str, Any]) -> None:
    """Check what ``schema.validate`` made of ``data``. Raises ``voluptuous.Invalid``."""
    _check_roles(validated["nodes"], validated["engine"])
    _check_addresses(validated["nodes"])
    _check_spark_master(validated)
    _check_ports(validated, data)
    _check_memory(validated["kafka"], data)
    if validated["engine"] == "mesos":
        _check_offers(validated)


def _check_roles(nodes: dict[str, NodeSettings], engine: str) -> None:
    for role, task in _NEEDED_ROLES.items():
        holders = [name for name, node in nodes.items() if role in node.roles]
        if not holders:
            raise vol.Invalid(f"no node has the role {role}, which {task}", path=["nodes"])
        several_allowed = role == "mesos-worker" or (role == "mesos-master" and engine == "mesos")
        if len(holders) > 1 and not several_allowed:
            first, second = holders[:2]
            at = ["nodes", second, "roles", nodes[second].roles.index(role)]
            raise vol.Invalid(f"only one node can have this role, and {first} has it already", path=at)


def _check_addresses(nodes: dict[str, NodeSettings]) -> None:
    owners: dict[str, str] = {}
    # Nodes that all have loopback addresses share one machine, as in tests.
    share_a_machine = all(is_loopback(node.address) for node in nodes.values())
    for name, node in nodes.items():
        if node.address in owners:
            taken = f"{owners[node.address]} has this address already; one node can have several roles"
            raise vol.Invalid(taken, path=["nodes", name, "address"])
        owners[node.address] = name
        reason = why_unreachable(node.address) if len(nodes) > 1 and not share_a_machine else None
        if reason is not None:
            reason = f"{reason}; expected an address that the other nodes can connect to"
            raise vol.Invalid(reason, path=["nodes", name, "address"])


def _check_spark_master(validated: dict[str, Any]) -> None:
    master = validated["spark"].master
    if not master.startswith("spark:"):
        return
    # Under Mesos it is a task, and those run on the workers.
    role = "mesos-worker" if validated["engine"] == "mesos" else "mesos-master"
    url = spark_url(master)
    addresses = {name: node.address for name, node in validated["nodes"].items() if role in node.roles}
    is_on_one = url is not None and any(url.is_on(name, address) for name, address in addresses.items())
    if url is None or not is_on_one or not 1024 <= url.port <= 65535:
        example = f"spark://{next(iter(addresses.values()))}:7077"
        raise vol.Invalid(f'expected the address of a {role}, such as "{example}"', path=["spark", "master"])


def _check_ports(validated: dict[str, Any], data: dict[str, Any]) -> None:
    owners: dict[int, tuple[str, str]] = {}
    for key in _PORTS:
        table, name = key
        port = getattr(validated[table], name)
        if port in owners:
            other = owners[port]
            wrong, right = (key, other) if name in data.get(table, {}) else (other, key)
            raise vol.Invalid(f"this port is already used by {'.'.join(right)}", path=list(wrong))
        owners[port] = key
    _check_spark_ports(validated["spark"], owners)


def _check_spark_ports(spark: SparkSettings, owners: dict[int, tuple[str, str]]) -> None:
    if spark.master.startswith("local"):
        return
    own = range(spark.first_port, spark.first_port + SPARK_PORTS)
    url = spark_url(spark.master)
    if url is not None and (url.port in own or url.port in owners):
        other = ".".join(owners.get(url.port, ("spark", "first_port")))
        raise vol.Invalid(f"port {url.port} is already used by {other}", path=["spark", "master"])
    if taken := sorted(owners.keys() & set(own)):
        other = ".".join(owners[taken[0]])
        reason = f"Spark needs the ports {own[0]} to {own[-1]}, and {taken[0]} is already used by {other}"
        raise vol.Invalid(reason, path=["spark"])


def _check_memory(kafka: KafkaSettings, data: dict[str, Any]) -> None:
    needed_mb = kafka.heap_mb + JVM_OVERHEAD_MB
    if kafka.memory_mb < needed_mb:
        if "memory_mb" in data["kafka"]:
            reason = f"expected at least {needed_mb}: the heap of {kafka.heap_mb} and {JVM_OVERHEAD_MB} more"
            raise vol.Invalid(reason, path=["kafka", "memory_mb"])
        reason = f"needs a memory_mb of at least {needed_mb}, but that is {kafka.memory_mb}"
        raise vol.Invalid(reason, path=["kafka", "heap_mb"])


def _check_offers(validated: dict[str, Any]) -> None:
    """Every worker must have room for its broker and Spark's daemons, and one of them for the job as well."""
    job_mb = validated["spark"].memory_mb
    left: dict[str, tuple[int, str]] = {}
    for name, node in validated["nodes"].items():
        if "mesos-worker" not in node.roles:
            continue
        broker_mb, daemons = validated["kafka"].memory_mb, _spark_daemons(validated["spark"], name, node)
        needed_mb, tasks = broker_mb + sum(daemons.values()), f"a broker of {broker_mb}"
        tasks += "".join(f", {daemon} of {memory_mb}" for daemon, memory_mb in daemons.items())
        if node.memory_mb < needed_mb:
            needs = f"{tasks} need {needed_mb}" if daemons else f"a broker needs {broker_mb} (kafka.memory_mb)"
            raise vol.Invalid(f"its memory_mb is {node.memory_mb}, but {needs}", path=["nodes", name])
        left[name] = node.memory_mb - needed_mb, tasks
    most = max(left, key=lambda name: left[name][0])
    if left[most][0] < job_mb:
        memory_mb = validated["nodes"][most].memory_mb
        needs = f"{left[most][1]} and the job of {job_mb} (spark.heap_mb + {JOB_OVERHEAD_MB})"
        reason = (
            f"no worker has enough memory_mb for the job: here it is {memory_mb}, "
            f"but {needs} need {memory_mb - left[most][0] + job_mb}"
        )
        raise vol.Invalid(reason, path=["nodes", most])


def _spark_daemons(spark: SparkSettings, name: str, node: NodeSettings) -> dict[str, int]:
    """The daemons of Spark's standalone cluster on this worker, each with its memory in MB."""
    url = spark_url(spark.master)
    if url is None:
        return {}
    master = {"Spark's master": SPARK_DAEMON_MB} if url.is_on(name, node.address) else {}
    return {"Spark's worker": spark.worker_memory_mb, **master}
