"""Three real brokers as Mesos tasks: they form a quorum, however late, and a rolling restart waits for the replicas."""

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from sensorpi.common.cluster.model import load
from sensorpi.common.cluster.secrets import kafka_cluster_id
from sensorpi.mesos_node.kafka.topics import ensure_topics, topic_specs
from sensorpi.mesos_node.scheduler.replicas import what_is_not_in_sync
from tests.integration.kafka_fixture import COMMAND, JARS
from tests.integration.scheduler_fixture import SchedulerCluster
from tests.integration.waiting import wait_until

START_S = 150.0

#: Each host of the test has its own data; which one it is follows from the broker's id.
_ON_ITS_HOST = """\
import os, sys
id = sys.argv[sys.argv.index("--id") + 1]
os.execv({command!r}, [{command!r}, "kafka", "run", "--node", "w" + id, "--data", {data!r} + id, "--jars", {jars!r},
                       "--config", {config!r}, *sys.argv[1:]])
"""


#: The longest delay of a voter is 15 s; a little for the offer, and for a machine that others use as well.
AGAIN_S = 30.0


def cluster_of_brokers(directory: Path) -> SchedulerCluster:
    """A cluster with real brokers, to be entered."""
    program = directory / "broker.py"
    cluster = SchedulerCluster(directory / "mesos", task=[sys.executable, str(program)])
    program.write_text(
        _ON_ITS_HOST.format(
            command=str(COMMAND), data=str(directory / "data"), jars=str(JARS), config=str(cluster.config)
        )
    )
    return cluster


@pytest.mark.timeout(900)
def test_late_voters_are_retried_without_limit_until_they_meet(tmp_path: Path) -> None:
    cluster = cluster_of_brokers(tmp_path)
    described = load(cluster.config / "cluster.toml")
    agents, cluster.mesos.agents = cluster.mesos.agents, cluster.mesos.agents[:1]
    with cluster:
        cluster.mesos.agents = agents
        for _ in range(2):  # alone, it ends each time
            wait_until(lambda: task_of_broker_0(cluster).get("healthy") is True, "the voter", START_S, cluster.log)
            before = task_of_broker_0(cluster)["id"]
            os.kill(jvm_of_broker(cluster, 0), signal.SIGKILL)
            wait_until(lambda: task_of_broker_0(cluster).get("id", before) != before, "another", AGAIN_S)  # noqa: B023
        assert cluster.states()[1:] == ["waiting"] * 2
        for agent in agents[1:]:
            time.sleep(20)
            agent.start()
        wait_until(lambda: what_is_not_in_sync(described, [0, 1, 2]) == "", "brokers", START_S, cluster.log)


@pytest.mark.timeout(900)  # six starts of a broker
def test_a_rolling_restart_waits_for_the_replicas(tmp_path: Path) -> None:
    cluster = cluster_of_brokers(tmp_path)
    described = load(cluster.config / "cluster.toml")
    key_id = kafka_cluster_id((cluster.config / "cluster.key").read_bytes())
    with cluster:
        wait_until(lambda: what_is_not_in_sync(described, [0, 1, 2]) == "", "brokers", START_S, cluster.log)
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


def task_of_broker_0(cluster: SchedulerCluster) -> dict[str, Any]:
    """As the scheduler shows it; empty while there is none."""
    task: dict[str, Any] = cluster.brokers().get(0, {}).get("task", {})
    return task


def jvm_of_broker(cluster: SchedulerCluster, broker_id: int) -> int:
    """The process of a broker's JVM, found by the folder of its properties."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_bytes().split(b"\0")
            if b"kafka.Kafka" in command and (process / "cwd").resolve().is_relative_to(
                cluster.mesos.agents[broker_id].work_dir
            ):
                return int(process.name)
    pytest.fail(f"broker {broker_id} has no JVM")


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
