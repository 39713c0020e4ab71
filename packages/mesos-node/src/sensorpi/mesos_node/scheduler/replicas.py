"""Asks Kafka whether every replica of every partition is in sync, so that a broker may be stopped."""

from collections.abc import Collection

from sensorpi.common.cluster.model import Cluster

_TIMEOUT_S = 10.0


def what_is_not_in_sync(cluster: Cluster, broker_ids: Collection[int]) -> str:
    """Why no broker may be stopped now, in a few words; "" when one may.

    Every broker of ``broker_ids`` must be registered and unfenced, and all replicas of each partition in sync.
    """
    # Imported here because a Kafka client takes memory, and only a rolling restart needs it.
    from kafka.errors import KafkaError

    from sensorpi.mesos_node.kafka.probe import connect

    try:
        with connect(cluster.bootstrap_servers, _TIMEOUT_S) as admin:
            present = {each["broker_id"] for each in admin.describe_cluster()["brokers"] if not each["is_fenced"]}
            missing = sorted(set(broker_ids) - present)
            if missing:
                return f"broker {', '.join(map(str, missing))} is not in Kafka's cluster"
            behind = [
                f"{topic['name']}-{partition['partition_index']}"
                for topic in admin.describe_topics()
                for partition in topic["partitions"]
                if len(partition["isr_nodes"]) < len(partition["replica_nodes"])
            ]
    except KafkaError as error:
        return f"Kafka does not answer: {error}"
    if not behind:
        return ""
    more = f" and {len(behind) - 3} more" if len(behind) > 3 else ""
    return f"replicas are not in sync: {', '.join(behind[:3])}{more}"
