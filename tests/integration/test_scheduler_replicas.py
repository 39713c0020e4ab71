"""What a real Kafka says of its replicas, which is what a rolling restart waits for."""

from sensorpi.mesos_node.scheduler.replicas import what_is_not_in_sync
from tests.integration.kafka_fixture import KafkaBroker


def test_a_healthy_broker_lacks_nothing(kafka_broker: KafkaBroker) -> None:
    assert what_is_not_in_sync(kafka_broker.cluster, [0]) == ""


def test_a_broker_that_is_not_there_is_named(kafka_broker: KafkaBroker) -> None:
    assert what_is_not_in_sync(kafka_broker.cluster, [0, 1]) == "broker 1 is not in Kafka's cluster"


def test_a_cluster_that_does_not_answer_is_not_in_sync(fresh_broker: KafkaBroker) -> None:
    assert what_is_not_in_sync(fresh_broker.cluster, [0]).startswith("Kafka does not answer: ")
