"""What a real Kafka reports of its replicas, for which a rolling restart waits."""

from sensorpi.mesos_node.scheduler.replicas import what_is_not_in_sync
from tests.integration.kafka_fixture import KafkaBroker


def test_a_healthy_broker_is_in_sync(kafka_broker: KafkaBroker) -> None:
    assert what_is_not_in_sync(kafka_broker.cluster, [0]) == ""


def test_a_missing_broker_is_named(kafka_broker: KafkaBroker) -> None:
    assert what_is_not_in_sync(kafka_broker.cluster, [0, 1]) == "broker 1 is not in Kafka's cluster"


def test_a_cluster_that_does_not_answer_is_not_in_sync(fresh_broker: KafkaBroker) -> None:
    assert what_is_not_in_sync(fresh_broker.cluster, [0]).startswith("Kafka does not answer: ")
