"""Reads what arrived: the points in InfluxDB, the dead letters, and the log of topic `sensors`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from influxdb import InfluxDBClient
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from onebox.ledger import ReadingId
from sensorpi.common.reading import DEAD_LETTER_TOPIC, TOPIC
from sensorpi.pipeline.influx.client import RAW, READINGS
from tests.chaos.checker import Logged, Row

#: Columns that are not a reading's values.
_NOT_FIELDS = {"time", "boot"}
_LARGEST_BYTES = 12 * 1024 * 1024


def rows(client: InfluxDBClient) -> list[Row]:
    """All points that have a boot and a sequence. Raises INFLUXDB_ERRORS."""
    found = []
    for chunk in client.query(
        f'SELECT * FROM "{RAW}"."{READINGS}" GROUP BY *', epoch="ms", chunked=True, chunk_size=10_000
    ):
        for (_, tags), points in chunk.items():
            for point in points:
                if point.get("boot") is None or point.get("sequence") is None:
                    continue
                fields = {name: value for name, value in point.items() if name not in _NOT_FIELDS and value is not None}
                reading = ReadingId(tags["sensor"], point["boot"], int(point["sequence"]))
                found.append(Row(reading, tags["host"], point["time"], fields))
    return found


@dataclass(frozen=True)
class Letter:
    """A dead letter: its key names the message by topic-partition-offset."""

    key: str
    value: bytes


def letters(bootstrap_servers: str) -> list[Letter]:
    """Everything on the dead-letter topic. Raises KafkaError."""
    return [
        Letter((record.key or b"").decode(errors="replace"), record.value or b"")
        for record in _records(bootstrap_servers, DEAD_LETTER_TOPIC)
    ]


def log(bootstrap_servers: str) -> list[Logged]:
    """Every message of topic `sensors` that has a reading's identity. Raises KafkaError."""
    found = []
    for record in _records(bootstrap_servers, TOPIC):
        try:
            message = json.loads(record.value or b"")
            reading = ReadingId(str(message["sensor"]), str(message["boot"]), int(message["sequence"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        found.append(Logged(reading, record.partition, record.offset))
    return found


def _records(bootstrap_servers: str, topic: str) -> Iterator[ConsumerRecord]:
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap_servers.split(","),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_LARGEST_BYTES,
        fetch_max_bytes=_LARGEST_BYTES,
    )
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or {0})]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for records in consumer.poll(timeout_ms=500).values():
                yield from records
    finally:
        consumer.close(autocommit=False)
