"""Spark's standalone cluster, if the cluster file asks for one: its master, its ports, its secret."""

from dataclasses import dataclass, fields

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.cluster.schema import SPARK_PORTS, SparkSettings
from sensorpi.common.cluster.secrets import password
from sensorpi.common.cluster.spark_url import spark_url

#: The name of the secret that the master, the workers and the driver share. Without it anyone could run code on them.
_SECRET = "spark/rpc"  # noqa: S105


@dataclass(frozen=True)
class SparkPorts:
    """TCP ports from ``first_port`` on, in this order. The web pages are on loopback only, for the probes."""

    worker: int
    driver: int
    driver_blocks: int
    executor_blocks: int
    master_page: int
    worker_page: int


assert len(fields(SparkPorts)) == SPARK_PORTS  # noqa: S101


def spark_ports(settings: SparkSettings) -> SparkPorts:
    """The ports that the cluster file gives Spark."""
    return SparkPorts(*range(settings.first_port, settings.first_port + SPARK_PORTS))


def spark_master(cluster: Cluster) -> tuple[Node, int] | None:
    """The node and the port of Spark's standalone master; None if the job does not use one."""
    url = spark_url(cluster.spark.master)
    if url is None:
        return None
    [node] = [each for each in cluster.nodes if url.is_on(each.name, each.address)]
    return node, url.port


def spark_master_url(cluster: Cluster) -> str | None:
    """The master's URL for the workers and the driver; None if the job does not use one."""
    found = spark_master(cluster)
    return None if found is None else f"spark://{cluster.connect_address(found[0])}:{found[1]}"


def spark_secret(key: bytes) -> str:
    """The secret with which the daemons and the driver authenticate to each other."""
    return password(key, _SECRET)
