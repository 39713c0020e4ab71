"""Three brokers that vote, each on a loopback address of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from sensorpi.common.cluster.secrets import make_key
from sensorpi.mesos_node.kafka.topics import ensure_topics, topic_specs
from tests.integration.kafka_fixture import KafkaBroker, free_ports, wait_until


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[list[KafkaBroker]]:
    port, controller_port = free_ports(2)
    config = tmp_path / "config"
    config.mkdir()
    nodes = "".join(f'[nodes.w{i}]\naddress = "127.0.0.{i}"\nroles = ["mesos-worker"]\n' for i in (1, 2, 3))
    (config / "cluster.toml").write_text(
        f"{nodes}[nodes.m]\naddress = '127.0.0.9'\nroles = ['mesos-master', 'influx-grafana']\n"
        f"[kafka]\nport = {port}\ncontroller_port = {controller_port}\n"
    )
    make_key(config / "cluster.key")
    each = [KafkaBroker(config, f"w{i}", tmp_path / f"data{i}") for i in (1, 2, 3)]
    try:
        yield each
    finally:
        for broker in each:
            if broker.process is not None:
                broker.process.terminate()
        for broker in each:
            broker.stop()


def in_sync_replicas(broker: KafkaBroker) -> list[set[int]]:
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as admin:
        [topic] = admin.describe_topics(["sensors"])
        return [set(partition["isr_nodes"]) for partition in topic["partitions"]]


def test_brokers_formatted_apart_meet_and_a_lost_one_returns(brokers: list[KafkaBroker]) -> None:
    for broker in brokers:
        broker.launch()
    for broker in brokers:
        broker.wait_until_ready()
    ensure_topics(brokers[0].bootstrap_servers, topic_specs(brokers[0].cluster), brokers[0].cluster_id)
    assert in_sync_replicas(brokers[0]) == [{0, 1, 2}] * 3

    lost = brokers[2]
    lost.stop()
    shutil.rmtree(lost.log_directory)
    lost.start()

    assert "the other voters have a leader, so it is formatted again" in lost.output()
    wait_until(lambda: in_sync_replicas(brokers[0]) == [{0, 1, 2}] * 3, "the lost broker in sync again", 60)


def test_a_lost_voter_stays_away_while_the_others_do_not_answer(brokers: list[KafkaBroker]) -> None:
    lost = brokers[0]
    lost.launch()
    wait_until((lost.data / "0.formatted").exists, "the folder formatted")
    lost.stop()
    shutil.rmtree(lost.log_directory)

    process = lost.launch()

    assert process.wait(timeout=60) == 2
    assert "is empty, but broker 0 was formatted here before" in lost.output()
