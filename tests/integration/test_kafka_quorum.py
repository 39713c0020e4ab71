"""Three brokers that vote, each on a loopback address of its own."""

import shutil
from pathlib import Path

from kafka import KafkaAdminClient

from sensorpi.mesos_node.kafka.topics import ensure_topics, topic_specs
from tests.integration.kafka_fixture import KafkaBroker, three_voters
from tests.integration.waiting import wait_until


def in_sync_replicas(broker: KafkaBroker) -> list[set[int]]:
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as admin:
        [topic] = admin.describe_topics(["sensors"])
        return [set(partition["isr_nodes"]) for partition in topic["partitions"]]


def test_brokers_formatted_apart_meet_and_a_lost_one_returns(three_brokers: list[KafkaBroker]) -> None:
    first, _second, lost = three_brokers
    ensure_topics(first.bootstrap_servers, topic_specs(first.cluster), first.cluster_id)
    assert in_sync_replicas(first) == [{0, 1, 2}] * 3

    lost.stop()
    shutil.rmtree(lost.log_directory)
    lost.start()

    assert "the other voters have a leader, so it is formatted again" in lost.output()
    wait_until(lambda: in_sync_replicas(first) == [{0, 1, 2}] * 3, "the lost broker in sync again", 60)


def test_a_lost_voter_stays_away_while_the_others_do_not_answer(tmp_path: Path) -> None:
    lost = three_voters(tmp_path)[0]
    try:
        lost.launch()
        wait_until((lost.data / "0.formatted").exists, "the folder formatted")
        lost.stop()
        shutil.rmtree(lost.log_directory)

        process = lost.launch()

        assert process.wait(timeout=60) == 2
    finally:
        lost.stop()
    assert "is empty, but broker 0 was formatted here before" in lost.output()
