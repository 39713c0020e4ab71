"""Three real brokers as Mesos tasks: they form a quorum, and a rolling restart waits for the replicas."""

import sys
import threading
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from sensorpi.common.cluster import load
from sensorpi.common.secrets import kafka_cluster_id
from sensorpi.mesos_node.scheduler.replicas import what_is_not_in_sync
from sensorpi.mesos_node.topics import ensure_topics, topic_specs
from tests.integration.kafka_fixture import COMMAND, JARS, wait_until
from tests.integration.scheduler_fixture import SchedulerCluster

START_S = 150.0

#: Each host of the test has its own data; which one it is follows from the broker's id.
_ON_ITS_HOST = """\
import os, sys
id = sys.argv[sys.argv.index("--id") + 1]
os.execv({command!r}, [{command!r}, "kafka", "run", "--node", "w" + id, "--data", {data!r} + id, "--jars", {jars!r},
                       "--config", {config!r}, *sys.argv[1:]])
"""


def test_a_rolling_restart_waits_for_the_replicas(tmp_path: Path) -> None:
    program = tmp_path / "broker.py"
    cluster = SchedulerCluster(tmp_path / "mesos", task=[sys.executable, str(program)])
    program.write_text(
        _ON_ITS_HOST.format(
            command=str(COMMAND), data=str(tmp_path / "data"), jars=str(JARS), config=str(cluster.config)
        )
    )
    described = load(cluster.config / "cluster.toml")
    key_id = kafka_cluster_id((cluster.config / "cluster.key").read_bytes())
    with cluster:
        wait_until(lambda: what_is_not_in_sync(described, [0, 1, 2]) == "", f"brokers: {cluster.log()}", START_S)
        ensure_topics(described.bootstrap_servers, topic_specs(described), key_id)
        before = {number: each["task"]["id"] for number, each in cluster.brokers().items()}
        stop = threading.Event()
        sent = Sender(described.bootstrap_servers, stop)
        sent.start()

        result = cluster.command("kafka", "broker", "restart", "*", "--timeout", "2m")

        stop.set()
        sent.join()
        assert result.returncode == 0, result.stderr + cluster.log()
        assert "restarting broker-2 (2 of 3 done)" in result.stderr
        after = {number: each["task"]["id"] for number, each in cluster.brokers().items()}
        assert all(after[number] != before[number] for number in before)
        assert what_is_not_in_sync(described, [0, 1, 2]) == ""
        assert sent.acknowledged
        assert cluster.rss_mb() <= 60  # with a Kafka client now
        assert sent.acknowledged <= stored(described.bootstrap_servers)


class Sender(threading.Thread):
    """Sends numbers until told to stop; remembers those that were acknowledged by all."""

    def __init__(self, servers: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.acknowledged: set[int] = set()
        self._stop_event = stop
        self._producer = KafkaProducer(bootstrap_servers=servers, acks="all", delivery_timeout_ms=60_000)

    def run(self) -> None:
        """Ten a second."""
        number = 0
        while not self._stop_event.wait(0.1):
            number += 1
            self._producer.send("sensors", b"%d" % number).add_callback(self._remember, number)
        self._producer.flush(60)
        self._producer.close()

    def _remember(self, number: int, _metadata: object) -> None:
        self.acknowledged.add(number)


def stored(servers: str) -> set[int]:
    """Every number in the topic."""
    with KafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest", consumer_timeout_ms=5000) as consumer:
        consumer.assign([TopicPartition("sensors", each) for each in range(3)])
        return {int(message.value) for message in consumer}
