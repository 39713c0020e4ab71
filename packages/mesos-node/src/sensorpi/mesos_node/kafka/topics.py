"""The pipeline's topics: created if missing, their settings corrected, never deleted."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import InvalidPartitionsError, KafkaError, TopicAlreadyExistsError

from sensorpi.common.cluster.model import Cluster
from sensorpi.common.daemon.outage import backoff_s
from sensorpi.common.errors import UserError
from sensorpi.common.reading import DEAD_LETTER_TOPIC, TOPIC
from sensorpi.mesos_node.kafka.probe import connect, describe_cluster

MESSAGE_MAX_BYTES = 8 * 1024 * 1024

#: A dead letter is the whole message with additional headers, so it can be larger.
DEAD_LETTER_MESSAGE_MAX_BYTES = 9 * 1024 * 1024

#: Dead letters are kept until a person has looked at them, or their topic has reached its size limit.
_DEAD_LETTER_RETENTION_HOURS = 10 * 365 * 24

#: The maximum wait until every broker knows a topic that another worker has just created.
_KNOWN_EVERYWHERE_S = 20.0

_HOUR_MS = 3_600_000
_MB = 1024 * 1024


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it should be."""

    name: str
    partitions: int
    replication_factor: int
    settings: dict[str, str]


def topic_specs(cluster: Cluster) -> tuple[TopicSpec, TopicSpec]:
    """The topics of the readings and of the dead letters, as this cluster has them."""
    kafka = cluster.kafka
    readings = {
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": str(cluster.min_insync_replicas),
        "unclean.leader.election.enable": "false",
        "max.message.bytes": str(MESSAGE_MAX_BYTES),
        "retention.ms": str(kafka.retention_hours * _HOUR_MS),
        "retention.bytes": str(kafka.retention_mb * _MB),
    }
    dead_letters = readings | {
        "max.message.bytes": str(DEAD_LETTER_MESSAGE_MAX_BYTES),
        "retention.ms": str(_DEAD_LETTER_RETENTION_HOURS * _HOUR_MS),
        # Not that of the readings, which may be small. The job reports when it deletes the oldest letters.
        "retention.bytes": str(kafka.dead_letter_retention_mb * _MB),
    }
    return (
        TopicSpec(TOPIC, kafka.partitions, cluster.replication_factor, readings),
        TopicSpec(DEAD_LETTER_TOPIC, 1, cluster.replication_factor, dead_letters),
    )


def ensure_topics(
    bootstrap_servers: str, specs: Sequence[TopicSpec], cluster_id: str, timeout_s: float = 30.0
) -> list[str]:
    """Create or correct the topics and return a line for each change; an empty list when nothing had to be changed.

    Partitions are only added. What a broker that is just starting cannot answer is asked again for ``timeout_s``: it
    registers a moment before it listens. Raises ``UserError`` when no broker answers or one refuses, and before any
    change when a cluster with another id answers: another Kafka may have the port.
    """
    deadline_s = time.monotonic() + timeout_s
    changes: list[str] = []
    for pause_s in backoff_s(0.2, 2.0):
        try:
            with connect(bootstrap_servers, timeout_s) as admin:
                describe_cluster(admin, bootstrap_servers, cluster_id)
                for spec in specs:
                    changes += _ensure_topic(admin, spec)
            break
        except KafkaError as error:
            if not error.retriable or time.monotonic() + pause_s > deadline_s:
                raise UserError(f"Kafka at {bootstrap_servers}: topics are not as declared: {error}") from error
        time.sleep(pause_s)
    return changes


def _ensure_topic(admin: KafkaAdminClient, spec: TopicSpec) -> list[str]:
    if spec.name not in admin.list_topics():
        try:
            _create(admin, spec)
            return [
                f"{spec.name}: created with {spec.partitions} partitions, each on {spec.replication_factor} brokers"
            ]
        except TopicAlreadyExistsError:  # another worker was faster: check its topic like any other
            admin.wait_for_topics([spec.name])
    return [*_grow(admin, spec), *_alter(admin, spec)]


def _create(admin: KafkaAdminClient, spec: TopicSpec) -> None:
    options = {
        "num_partitions": spec.partitions,
        "replication_factor": spec.replication_factor,
        "configs": spec.settings,
    }
    admin.create_topics({spec.name: options}, wait_for_metadata=True)


def _grow(admin: KafkaAdminClient, spec: TopicSpec) -> list[str]:
    [topic] = admin.describe_topics([spec.name])
    present = len(topic["partitions"])
    if present < spec.partitions:
        try:
            admin.create_partitions({spec.name: spec.partitions})
        except InvalidPartitionsError:  # another worker was faster, and the first broker did not know that yet
            return []
        admin.wait_for_topics([spec.name])
        return [f"{spec.name}: grown from {present} to {spec.partitions} partitions"]
    if present > spec.partitions:
        return [f"{spec.name}: keeps its {present} partitions; a topic cannot shrink to {spec.partitions}"]
    return []


def _alter(admin: KafkaAdminClient, spec: TopicSpec) -> list[str]:
    present = _settings(admin, spec)
    wanted = {key: value for key, value in spec.settings.items() if present[key] != value}
    if wanted:
        result = admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, spec.name, wanted)])
        verdict = result["topic"][spec.name]
        if verdict != "OK":
            raise UserError(f"Kafka refuses the settings of topic {spec.name}: {verdict}")
    return [f"{spec.name}: {key} = {value} (was {present[key]})" for key, value in wanted.items()]


def _settings(admin: KafkaAdminClient, spec: TopicSpec) -> dict[str, str]:
    """The topic's present settings, from a broker that knows the topic."""
    resource = ConfigResource(ConfigResourceType.TOPIC, spec.name, list(spec.settings))
    deadline_s = time.monotonic() + _KNOWN_EVERYWHERE_S
    for pause_s in backoff_s(0.1, 2.0):
        described = admin.describe_configs([resource], config_filter="all")["topic"].get(spec.name, {})
        if spec.settings.keys() <= described.keys():
            return {key: described[key]["value"] for key in spec.settings}
        if time.monotonic() > deadline_s:
            break
        time.sleep(pause_s)
    raise UserError(f"topic {spec.name} is not known to every broker after {_KNOWN_EVERYWHERE_S:g} s")
