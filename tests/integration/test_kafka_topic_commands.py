"""`sensorpi kafka topic` on real brokers."""

import json
import subprocess

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from sensorpi.common.cli.exit_code import ExitCode
from tests.integration.kafka_fixture import COMMAND, KafkaBroker
from tests.integration.waiting import wait_until


def topic(broker: KafkaBroker, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [str(COMMAND), "kafka", "topic", *words, "--config", str(broker.config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def answer(broker: KafkaBroker, *words: str) -> dict[str, dict[str, object]]:
    """The topics that a successful command prints, by name."""
    result = topic(broker, *words, "--json")
    assert result.returncode == 0, result.stderr
    return {each["name"]: each for each in json.loads(result.stdout)}


def refusal(broker: KafkaBroker, *words: str) -> str:
    result = topic(broker, *words)
    assert (result.returncode, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1, result.stderr
    return result.stderr


def test_topics_are_listed_with_their_options(kafka_broker: KafkaBroker) -> None:
    listed = answer(kafka_broker, "list", "sensors*")
    assert set(listed) == {"sensors", "sensors.dlq"}
    assert listed["sensors"]["options"]["message.timestamp.type"] == "LogAppendTime"  # type: ignore[index]
    text = topic(kafka_broker, "list", "sensors").stdout.splitlines()
    assert text[0] == "sensors: 3 partitions, 1 replicas, all in sync"
    assert "  0: leader 0, replicas 0, in sync 0" in text
    assert "  message.timestamp.type=LogAppendTime" in text


def test_a_topic_is_added_and_updated(kafka_broker: KafkaBroker) -> None:
    added = answer(
        kafka_broker, "add", "t0,t1", "--partitions", "2", "--options", "retention.ms=60000,cleanup.policy=compact"
    )
    assert {name: len(each["partitions"]) for name, each in added.items()} == {"t0": 2, "t1": 2}  # type: ignore[arg-type]
    assert added["t0"]["options"] == {"cleanup.policy": "compact", "retention.ms": "60000"}
    updated = answer(kafka_broker, "update", "t*", "--partitions", "3", "--options", "retention.ms=,segment.ms=70000")
    assert {name: len(each["partitions"]) for name, each in updated.items()} == {"t0": 3, "t1": 3}  # type: ignore[arg-type]
    assert updated["t1"]["options"] == {"cleanup.policy": "compact", "segment.ms": "70000"}
    assert "t0 exists already" in refusal(kafka_broker, "add", "t9,t0")
    assert "t9" not in answer(kafka_broker, "list")
    assert "topic t0 has 3 partitions and cannot shrink" in refusal(kafka_broker, "update", "t0", "--partitions", "1")


def test_what_kafka_refuses_is_one_line(kafka_broker: KafkaBroker) -> None:
    assert "no topic is called" in refusal(kafka_broker, "list", "nothing")
    assert "retenshun.ms" in refusal(kafka_broker, "update", "sensors.dlq", "--options", "retenshun.ms=5")
    assert "Kafka refuses topic wide: Unable to replicate" in refusal(kafka_broker, "add", "wide", "--replicas", "2")
    assert "Invalid value abc" in refusal(kafka_broker, "add", "wide", "--options", "retention.ms=abc")
    assert "2 replicas of a partition need as many brokers" in refusal(
        kafka_broker, "rebalance", "sensors", "--replicas", "2"
    )
    assert "broker 7 is not up" in refusal(kafka_broker, "rebalance", "sensors", "--broker", "7")


@pytest.mark.parametrize("words", [["--partitions", "5"], ["--options", "retention.ms=5"]])
def test_what_the_cluster_file_declares_is_changed_there(kafka_broker: KafkaBroker, words: list[str]) -> None:
    assert "cluster.toml; change it there" in refusal(kafka_broker, "update", "sensors", *words)


def test_another_clusters_topics_are_left_alone(kafka_broker: KafkaBroker) -> None:
    key = kafka_broker.config / "cluster.key"
    right = key.read_bytes()
    key.write_bytes(bytes(32))
    try:
        assert "belongs to another cluster" in refusal(kafka_broker, "add", "foreign")
    finally:
        key.write_bytes(right)
    assert "foreign" not in answer(kafka_broker, "list")


@pytest.fixture
def three(three_brokers: list[KafkaBroker]) -> KafkaBroker:
    return three_brokers[0]


def replicas(listed: dict[str, dict[str, object]], name: str) -> list[list[int]]:
    return [partition["replicas"] for partition in listed[name]["partitions"]]  # type: ignore[attr-defined]


def test_a_rebalance_moves_replicas_and_loses_nothing(three: KafkaBroker) -> None:
    with KafkaAdminClient(bootstrap_servers=three.bootstrap_servers) as admin:
        admin.create_topics({"crowded": {"assignments": {number: [0] for number in range(6)}}}, wait_for_metadata=True)
    producer = KafkaProducer(bootstrap_servers=three.bootstrap_servers)
    for number in range(600):
        producer.send("crowded", str(number).encode(), partition=number % 6)
    producer.flush(timeout=60)
    producer.close()

    result = topic(three, "rebalance", "crowded", "--replicas", "2", "--timeout", "2m", "--json")

    assert result.returncode == 0, result.stderr
    assert " of 6 partitions have moved" in result.stderr
    [described] = json.loads(result.stdout)
    counted = [sum(broker in part["replicas"] for part in described["partitions"]) for broker in (0, 1, 2)]
    assert counted == [4, 4, 4]
    assert topic(three, "rebalance", "status").stdout == "0 partitions are on the move\n"
    assert topic(three, "rebalance", "crowded").stdout.splitlines()[0] == "0 partitions have moved"

    def leaders() -> list[int]:
        parts = answer(three, "list", "crowded")["crowded"]["partitions"]
        return sorted(part["leader"] for part in parts)  # type: ignore[attr-defined]

    wait_until(lambda: leaders() == [0, 0, 1, 1, 2, 2], "each broker leads two partitions", 60)
    consumer = KafkaConsumer(
        "crowded", bootstrap_servers=three.bootstrap_servers, auto_offset_reset="earliest", consumer_timeout_ms=15_000
    )
    assert sorted(int(message.value) for message, _ in zip(consumer, range(600), strict=False)) == list(range(600))
    consumer.close()

    # One broker is emptied of it, as before it is taken away.
    drained = answer(three, "rebalance", "crowded", "--broker", "0,1", "--timeout", "2m")
    assert all(sorted(each) == [0, 1] for each in replicas(drained, "crowded"))


def throttle(broker: KafkaBroker, bytes_per_second: int) -> None:
    """How fast the brokers may copy replicas that are throttled."""
    limit = {"follower.replication.throttled.rate": str(bytes_per_second)}
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as admin:
        resources = [ConfigResource(ConfigResourceType.BROKER, str(number), limit) for number in range(3)]
        admin.alter_configs(resources, raise_on_unknown=False)  # kafka-python lists those only that have a value


def test_a_move_that_times_out_is_reported_and_continues(three: KafkaBroker) -> None:
    throttle(three, 1)
    options = "follower.replication.throttled.replicas=*"
    added = answer(three, "add", "slow", "--partitions", "1", "--replicas", "1", "--options", options)
    [[at]] = replicas(added, "slow")
    other = (at + 1) % 3
    producer = KafkaProducer(bootstrap_servers=three.bootstrap_servers)
    for _ in range(100):
        producer.send("slow", bytes(100_000))
    producer.flush(timeout=60)
    producer.close()

    result = topic(three, "rebalance", "slow", "--broker", str(other), "--timeout", "1s")

    assert result.returncode == ExitCode.TIMED_OUT, result.stderr
    assert result.stderr.splitlines()[-1].startswith("sensorpi: not within 1s, and the move continues; ")
    throttle(three, 100_000_000)
    wait_until(lambda: replicas(answer(three, "list", "slow"), "slow") == [[other]], "the move's end", 60)
