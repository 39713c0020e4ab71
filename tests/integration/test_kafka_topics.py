"""The topics as a real broker has them."""

import time
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from sensorpi.common.errors import UserError
from sensorpi.mesos_node.kafka.topics import TopicSpec, ensure_topics, topic_specs
from tests.integration.kafka_fixture import KafkaBroker

MB = 1024 * 1024


@pytest.fixture
def admin(kafka_broker: KafkaBroker) -> Iterator[KafkaAdminClient]:
    with KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap_servers) as client:
        yield client


@pytest.fixture
def producer(kafka_broker: KafkaBroker) -> Iterator[KafkaProducer]:
    client = KafkaProducer(
        bootstrap_servers=kafka_broker.bootstrap_servers,
        max_request_size=12 * MB,
        delivery_timeout_ms=40_000,
        request_timeout_ms=30_000,
    )
    yield client
    client.close(timeout=5)


def settings(admin: KafkaAdminClient, topic: str) -> dict[str, str]:
    described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
    return {key: value["value"] for key, value in described["topic"][topic].items()}


def partitions(admin: KafkaAdminClient, topic: str) -> int:
    [described] = admin.describe_topics([topic])
    return len(described["partitions"])


def test_the_topic_of_the_readings_has_its_settings(kafka_broker: KafkaBroker, admin: KafkaAdminClient) -> None:
    expected = {
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": "8388608",
        "min.insync.replicas": "1",
        "retention.ms": "2592000000",  # 720 hours
        "retention.bytes": "1073741824",  # 1024 MB
        "unclean.leader.election.enable": "false",
    }
    assert settings(admin, "sensors").items() >= expected.items()
    assert partitions(admin, "sensors") == 3


def test_dead_letters_may_be_larger_and_are_kept_for_years(kafka_broker: KafkaBroker, admin: KafkaAdminClient) -> None:
    dead_letters = settings(admin, "sensors.dlq")
    assert int(dead_letters["max.message.bytes"]) == 9 * MB
    assert int(dead_letters["retention.ms"]) > 9 * 365 * 86_400_000
    assert int(dead_letters["retention.bytes"]) == 1024 * MB


def test_topics_that_are_as_declared_are_left_alone(kafka_broker: KafkaBroker) -> None:
    specs = topic_specs(kafka_broker.cluster)
    assert ensure_topics(kafka_broker.bootstrap_servers, specs, kafka_broker.cluster_id) == []


def test_a_setting_that_differs_is_altered_and_the_messages_stay(
    kafka_broker: KafkaBroker, admin: KafkaAdminClient, producer: KafkaProducer
) -> None:
    def ensure(retention_ms: str) -> list[str]:
        spec = TopicSpec("altered", 1, 1, {"retention.ms": retention_ms})
        return ensure_topics(kafka_broker.bootstrap_servers, [spec], kafka_broker.cluster_id)

    ensure("60000000")
    producer.send("altered", b"stays").get(timeout=30)

    assert ensure("70000000") == ["altered: retention.ms = 70000000 (was 60000000)"]

    assert settings(admin, "altered")["retention.ms"] == "70000000"
    consumer = KafkaConsumer(bootstrap_servers=kafka_broker.bootstrap_servers)
    assert consumer.end_offsets([TopicPartition("altered", 0)]) == {TopicPartition("altered", 0): 1}
    consumer.close()


def test_partitions_grow_and_never_shrink(kafka_broker: KafkaBroker, admin: KafkaAdminClient) -> None:
    def ensure(count: int) -> list[str]:
        spec = TopicSpec("growing", count, 1, {})
        return ensure_topics(kafka_broker.bootstrap_servers, [spec], kafka_broker.cluster_id)

    assert ensure(1) == ["growing: created with 1 partitions, each on 1 brokers"]
    assert ensure(3) == ["growing: grown from 1 to 3 partitions"]
    assert ensure(2) == ["growing: keeps its 3 partitions; a topic cannot shrink to 2"]
    assert partitions(admin, "growing") == 3


def test_no_topic_of_another_cluster_is_touched(kafka_broker: KafkaBroker, admin: KafkaAdminClient) -> None:
    """A Kafka of somebody else on the expected port once had its topics altered."""
    spec = TopicSpec("foreign", 1, 1, {})
    with pytest.raises(UserError, match=r"belongs to another cluster \(.*\): check cluster\.key"):
        ensure_topics(kafka_broker.bootstrap_servers, [spec], "not-the-cluster-s-id__")
    assert "foreign" not in admin.list_topics()


def test_a_setting_that_the_broker_refuses_is_one_line(kafka_broker: KafkaBroker) -> None:
    ensure_topics(kafka_broker.bootstrap_servers, [TopicSpec("refused", 1, 1, {})], kafka_broker.cluster_id)
    spec = TopicSpec("refused", 1, 1, {"retention.ms": "a week"})
    with pytest.raises(UserError, match=r"Kafka refuses the settings of topic refused: .*retention\.ms"):
        ensure_topics(kafka_broker.bootstrap_servers, [spec], kafka_broker.cluster_id)


def test_no_broker_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^Kafka at 127\.0\.0\.1:1: topics are not as declared: "):
        ensure_topics("127.0.0.1:1", [TopicSpec("any", 1, 1, {})], "id", timeout_s=1)


def test_the_brokers_clock_stamps_a_message(kafka_broker: KafkaBroker, producer: KafkaProducer) -> None:
    before_ms = time.time() * 1000
    metadata = producer.send("sensors", b"{}", timestamp_ms=1_000).get(timeout=30)
    assert before_ms - 1000 <= metadata.timestamp <= time.time() * 1000 + 1000


def test_a_message_of_5_mb_is_taken(kafka_broker: KafkaBroker, producer: KafkaProducer) -> None:
    assert producer.send("sensors", b"x" * (5 * MB)).get(timeout=40).offset >= 0


def test_a_dead_letter_can_hold_the_largest_reading_and_headers(
    kafka_broker: KafkaBroker, producer: KafkaProducer
) -> None:
    headers = [("reason", b"too long " * 100), ("topic", b"sensors")]
    assert producer.send("sensors.dlq", b"x" * (8 * MB), headers=headers).get(timeout=40).offset >= 0


def test_a_message_over_the_limit_is_refused(kafka_broker: KafkaBroker, producer: KafkaProducer) -> None:
    with pytest.raises(KafkaError):
        producer.send("sensors", b"x" * (9 * MB)).get(timeout=40)
