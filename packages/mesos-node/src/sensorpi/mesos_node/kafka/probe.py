"""Asks a Kafka broker whether it serves, which cluster it is in, and whether its quorum has a leader."""

from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from sensorpi.common.errors import UserError
from sensorpi.common.kafka.client import open_client
from sensorpi.mesos_node.launcher import Probe, ProbeError


def kafka_probe(listener: str, broker_id: int, cluster_id: str, timeout_s: float = 5.0) -> Probe:
    """A probe of the broker at ``listener`` (host:port), which must be this broker of this cluster.

    Each call opens a connection, asks for ApiVersions and describes the cluster. Another program's listener, on a port
    that was in use before, is a failure.
    """

    def probe() -> str:
        try:
            with connect(listener, timeout_s) as admin:
                described = describe_cluster(admin, listener, cluster_id)
        except KafkaError as error:
            raise ProbeError(f"{listener}: {error}") from None
        except UserError as error:
            raise ProbeError(str(error)) from None
        if broker_id not in {broker["broker_id"] for broker in described["brokers"] if not broker["is_fenced"]}:
            raise ProbeError(f"{listener} answers, but broker {broker_id} is not yet in its cluster")
        return f"answers at {listener}, {len(described['brokers'])} brokers in the cluster"

    return probe


def describe_cluster(admin: KafkaAdminClient, servers: str, cluster_id: str) -> dict[str, Any]:
    """What the brokers at ``servers`` (host:port, …) report of their cluster.

    Raises ``UserError`` when it is not the cluster with this id, and ``KafkaError`` when they do not answer.
    """
    described: dict[str, Any] = admin.describe_cluster()
    if described["cluster_id"] != cluster_id:
        raise UserError(
            f"Kafka at {servers} belongs to another cluster ({described['cluster_id']}): "
            "check cluster.key, and whether another Kafka uses this port"
        )
    return described


def quorum_has_leader(listener: str, timeout_s: float = 5.0) -> bool:
    """Whether the broker at ``listener`` (host:port) answers and its controllers have elected a leader."""
    try:
        with connect(listener, timeout_s) as admin:
            [metadata_log] = admin.describe_metadata_quorum()["topics"][0]["partitions"]
            leader: int = metadata_log["leader_id"]
            return leader >= 0
    except KafkaError:
        return False


def connect(bootstrap_servers: str, timeout_s: float) -> KafkaAdminClient:
    """An admin client for a context manager. Raises ``KafkaError`` when nothing answers within ``timeout_s``."""
    timeout_ms = round(timeout_s * 1000)
    return open_client(
        KafkaAdminClient, bootstrap_servers, timeout_s, client_id="sensorpi-node", request_timeout_ms=timeout_ms
    )
