"""Asks InfluxDB and Kafka as one more machine on the nodes' network, which is no part of the cluster."""

import ctypes
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from influxdb import InfluxDBClient
from kafka.errors import KafkaError

from sensorpi.common.cluster import secrets
from sensorpi.common.cluster.model import Cluster
from sensorpi.common.reading import DEAD_LETTER_TOPIC, TOPIC
from sensorpi.mesos_node.kafka.probe import connect
from sensorpi.pipeline.influx.client import INFLUXDB_ERRORS, RAW, READER, READINGS, Endpoint, open_client
from sensorpi.pipeline.job.offsets import OFFSETS_TOPIC
from tests.chaos import stored
from tests.chaos.checker import Row
from tests.packages.leftovers import own_prefix
from tests.packages.machine import run

Answer = TypeVar("Answer")

ADDRESS = "10.0.0.200"

_CLONE_NEWNET = 0x40000000
_TIMEOUT_S = 3.0


class Observer:
    """One thread, and what it starts, lives in a network namespace of its own on the bridge."""

    def __init__(self, namespace: str, cluster: Cluster, key: bytes) -> None:
        self._cluster = cluster
        self._password = secrets.password(key, secrets.INFLUXDB_READER)
        self._thread = ThreadPoolExecutor(1, initializer=_enter, initargs=(namespace,))

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    def queryable_since(self, time_s: float) -> int:
        """How many readings InfluxDB has that were taken at this time or later; 0 while it does not answer."""
        where = f"WHERE time >= {round(time_s * 1000)}ms"
        rows = self._query(f'SELECT count("sequence") FROM "{RAW}"."{READINGS}" {where}')
        return sum(int(row["count"]) for row in rows)

    def rows(self) -> list[Row]:
        """Every reading in InfluxDB, once for each time and tag set under which it is there; none without an answer."""
        return self._ask_influxdb(stored.rows)

    def _query(self, influxql: str) -> list[dict[str, str]]:
        return self._ask_influxdb(lambda client: list(client.query(influxql, epoch="ms").get_points()))

    def _ask_influxdb(self, question: Callable[[InfluxDBClient], list[Answer]]) -> list[Answer]:
        def ask() -> list[Answer]:
            endpoint = Endpoint(self._cluster.influxdb_node.address, self._cluster.influxdb.port)
            client = open_client(endpoint, READER, self._password, timeout_s=10.0)
            try:
                return question(client)
            except INFLUXDB_ERRORS:
                return []
            finally:
                client.close()

        return self._thread.submit(ask).result()

    def leader(self, topic: str, partition: int) -> int:
        """The id of the broker that leads this partition. Raises KafkaError."""
        leader: int = self._partitions()[topic, partition]["leader_id"]
        return leader

    def controller(self) -> int:
        """The id of the voter that leads the controllers. Raises KafkaError."""

        def ask() -> int:
            with connect(self._cluster.bootstrap_servers, _TIMEOUT_S) as admin:
                [metadata_log] = admin.describe_metadata_quorum()["topics"][0]["partitions"]
                leader: int = metadata_log["leader_id"]
                return leader

        return self._thread.submit(ask).result()

    def is_in_sync(self) -> bool:
        """Whether every replica of every topic is in sync; False while Kafka does not answer."""
        try:
            partitions = self._partitions()
        except KafkaError:
            return False
        topics = {topic for topic, _ in partitions}
        factor = self._cluster.replication_factor
        return {TOPIC, DEAD_LETTER_TOPIC, OFFSETS_TOPIC} <= topics and all(
            len(set(partition["isr_nodes"])) == factor for partition in partitions.values()
        )

    def _partitions(self) -> dict[tuple[str, int], dict[str, Any]]:
        def ask() -> dict[tuple[str, int], dict[str, Any]]:
            with connect(self._cluster.bootstrap_servers, _TIMEOUT_S) as admin:
                return {
                    (topic["name"], partition["partition_index"]): partition
                    for topic in admin.describe_topics()
                    for partition in topic["partitions"]
                }

        return self._thread.submit(ask).result()


@contextmanager
def observing(lan: str, cluster: Cluster, key: bytes) -> Iterator[Observer]:
    """An observer at the bridge in the namespace ``lan``."""
    name = f"{own_prefix('sp')}eye"
    run("ip", "netns", "add", name)
    try:
        run("ip", "-n", name, "link", "add", "lan0", "type", "veth", "peer", "name", name, "netns", lan)
        run("ip", "-n", lan, "link", "set", name, "master", "bridge", "up")
        run("ip", "-n", name, "address", "add", f"{ADDRESS}/24", "dev", "lan0")
        run("ip", "-n", name, "link", "set", "lan0", "up")
        observer = Observer(name, cluster, key)
        try:
            yield observer
        finally:
            observer.close()
    finally:
        run("ip", "netns", "delete", name)


def _enter(namespace: str) -> None:
    """Move the calling thread into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/run/netns", namespace).open() as file:
        if libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
