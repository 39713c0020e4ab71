"""The whole pipeline but the sensor, with real Kafka, Spark and InfluxDB, for tests that send messages themselves."""

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from influxdb.line_protocol import quote_literal
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from onebox.home import Home
from onebox.ports import Ports
from onebox.process import Service
from onebox.stages import Stages
from sensorpi.common.reading import DEAD_LETTER_TOPIC, TOPIC, Reading, kafka_key
from sensorpi.pipeline.influx.client import reader_client, writer_client
from tests.integration.ports import free_ports
from tests.integration.waiting import wait_until

LARGEST_BYTES = 12 * 1024 * 1024


@dataclass
class Pipeline:
    """A running pipeline, and the ways of a test into and out of it."""

    stages: Stages
    producer: KafkaProducer
    _sensors: Iterator[int] = field(default_factory=itertools.count)

    def new_sensor(self) -> str:
        """A sensor id that no other test uses."""
        return f"sensor-{next(self._sensors)}"

    def send(self, value: bytes | None, key: bytes | None = None) -> int:
        """Put one message on the topic; returns its offset."""
        offset: int = self.producer.send(TOPIC, value=value, key=key).get(timeout=30).offset
        return offset

    def send_readings(self, sensor: str, count: int, first: int = 1, host: str = "test", **values: float) -> int:
        """Put good readings on the topic, one a millisecond from now on; returns the first timestamp in ms."""
        start_ms = int(time.time() * 1000)
        for sequence in range(first, first + count):
            reading = Reading(sensor, host, "boot", sequence, start_ms + sequence, {"temperature": 20.0, **values})
            self.producer.send(TOPIC, value=reading.to_json(), key=kafka_key(sensor, "test"))
        self.producer.flush()
        return start_ms

    def points(self, sensor: str) -> list[dict[str, Any]]:
        """What InfluxDB has of a sensor, in the order of time, times in ms."""
        client = reader_client(self.stages.endpoint, self.stages.credentials)
        try:
            return list(
                client.query(f"SELECT * FROM sensor WHERE sensor = {quote_literal(sensor)}", epoch="ms").get_points()
            )
        finally:
            client.close()

    def wait_for_points(self, sensor: str, count: int, timeout_s: float = 60.0) -> list[dict[str, Any]]:
        """Wait until InfluxDB has so many points of a sensor; returns them."""
        wait_until(lambda: len(self.points(sensor)) >= count, f"{count} points of {sensor}", timeout_s)
        return self.points(sensor)

    def dead_letters(self, offsets: set[int], timeout_s: float = 60.0) -> dict[int, ConsumerRecord]:
        """Wait for the dead letters of these offsets of the topic; offset -> record."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.stages.cluster.bootstrap_servers.split(","),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_bytes=LARGEST_BYTES,
            max_partition_fetch_bytes=LARGEST_BYTES,
        )
        partition = TopicPartition(DEAD_LETTER_TOPIC, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        found: dict[int, ConsumerRecord] = {}
        deadline = time.monotonic() + timeout_s
        try:
            while not offsets <= found.keys():
                if time.monotonic() > deadline:
                    pytest.fail(f"no dead letters of offsets {sorted(offsets - found.keys())}")
                for records in consumer.poll(timeout_ms=500).values():
                    found |= {int(dict(record.headers)["offset"]): record for record in records}
        finally:
            consumer.close(autocommit=False)
        return {offset: found[offset] for offset in offsets}

    def write(self, line: str) -> None:
        """Write a line (times in ms) past the pipeline."""
        client = writer_client(self.stages.endpoint, self.stages.credentials)
        client.write([line], {"db": "sensordata", "rp": "raw", "precision": "ms"}, protocol="line")
        client.close()

    def service(self, name: str) -> Service:
        """One of the parts: kafka, influxdb, spark, dashboard."""
        return next(service for service in self.stages.services if service.name == name)

    def restart(self, name: str) -> None:
        """Start a stopped part again and wait for it."""
        service = self.service(name)
        service.start()
        service.wait_until_ready(240, self.stages.influxdb_answers if name == "influxdb" else None)

    def start_what_is_stopped(self, *names: str) -> None:
        """Start each of these parts, or of all, that a test has left stopped."""
        for name in names or ("influxdb", "kafka", "spark"):
            if self.service(name).pid is None:
                if name == "spark":  # as at a first start, which does not look whether another job is alive
                    (self.stages.home.path / "spark/claim.json").unlink(missing_ok=True)
                self.restart(name)

    def committed(self) -> int:
        """The place in the topic that the job has committed; 0 before the first time."""
        servers = self.stages.cluster.bootstrap_servers
        consumer = KafkaConsumer(bootstrap_servers=servers, group_id="sensorpi-job", enable_auto_commit=False)
        offset: int | None = consumer.committed(TopicPartition(TOPIC, 0))
        consumer.close(autocommit=False)
        return offset or 0

    def log(self, name: str) -> str:
        """All that a part has logged."""
        return (self.stages.home.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")


@pytest.fixture(scope="session")
def running_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A pipeline for the whole session."""
    home = Home(tmp_path_factory.mktemp("pipeline"))
    ports = Ports(*free_ports(6))
    stages = Stages(home, ports, home.configure(ports, 1.0))
    try:
        stages.start()
        producer = KafkaProducer(
            bootstrap_servers=stages.cluster.bootstrap_servers.split(","), max_request_size=LARGEST_BYTES
        )
        yield Pipeline(stages, producer)
        producer.close(timeout=5)
    finally:
        stages.stop()


@pytest.fixture
def pipeline(running_pipeline: Pipeline) -> Pipeline:
    """The session's pipeline, of which every part runs; a test may leave a part stopped."""
    running_pipeline.start_what_is_stopped()
    return running_pipeline


@pytest.fixture
def pipeline_without_job(running_pipeline: Pipeline) -> Pipeline:
    """The session's pipeline, whose job has stored readings and is stopped."""
    running_pipeline.start_what_is_stopped("influxdb", "kafka")
    if running_pipeline.service("spark").pid is not None or running_pipeline.committed() == 0:
        running_pipeline.start_what_is_stopped("spark")
        sensor = running_pipeline.new_sensor()
        running_pipeline.send_readings(sensor, 5)
        running_pipeline.wait_for_points(sensor, 5)
        wait_until(lambda: running_pipeline.committed() > 0, "a commit")
        running_pipeline.service("spark").stop()
    return running_pipeline


def jvm_of(job: Service) -> int:
    """The process id of a running job's JVM."""
    below = [job.pid]
    while below:
        pid = below.pop()
        if Path(f"/proc/{pid}/comm").read_text() == "java\n":
            assert pid is not None
            return pid
        files = Path(f"/proc/{pid}/task").glob("*/children")
        below += [int(each) for file in files for each in file.read_text().split()]
    pytest.fail("the job has no JVM")


def reading_json(sensor: str, timestamp_ms: int, **keys: object) -> bytes:
    """A message in another shape than our publisher's, which is parsed strictly."""
    return json.dumps({"timestamp": timestamp_ms, "sensor": sensor} | keys).encode()
