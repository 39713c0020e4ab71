"""Counts what became of a run's readings, in the database and on the dead-letter topic."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from influxdb import InfluxDBClient
from influxdb.line_protocol import quote_literal
from kafka import KafkaConsumer, TopicPartition

from onebox.ledger import Ledger, ReadingId
from sensorpi.common.reading import DEAD_LETTER_TOPIC
from sensorpi.pipeline.influx.client import RAW, READINGS


@dataclass(frozen=True)
class Stored:
    """A run's readings in InfluxDB: how many are distinct, and how many of these are stored more than once."""

    readings: int
    duplicated: int


def stored(client: InfluxDBClient, ledger: Ledger) -> Stored:
    """Count this run's readings in InfluxDB by (sensor, boot, sequence).

    A reading with more than one time or more than one set of tags is duplicated.
    """
    places = Counter(reading for reading, _ in _points(client, ledger))
    return Stored(len(places), sum(1 for count in places.values() if count > 1))


def count(client: InfluxDBClient, ledger: Ledger) -> int:
    """How many points of this run InfluxDB has in the run's time range. This is cheaper than `stored`."""
    if ledger.oldest_ms is None or ledger.newest_ms is None:
        return 0
    total = 0
    for sensor in sorted(ledger.sensors):
        where = _where(sensor, ledger, (ledger.oldest_ms, ledger.newest_ms))
        result = client.query(f'SELECT count("sequence") FROM "{RAW}"."{READINGS}" WHERE {where}')
        total += sum(int(point["count"]) for point in result.get_points())
    return total


def see_new(client: InfluxDBClient, ledger: Ledger) -> None:
    """Query the readings that no query has returned yet, and record when those that are found were seen."""
    span = ledger.unseen_range_ms()
    if span is not None:
        found = [reading for reading, _ in _points(client, ledger, span)]
        ledger.seen(found, time.monotonic_ns())


def _points(
    client: InfluxDBClient, ledger: Ledger, span_ms: tuple[int, int] | None = None
) -> Iterator[tuple[ReadingId, int]]:
    """This run's points as (reading, time in ms), one for each time and set of tags."""
    for sensor in sorted(ledger.sensors):
        where = _where(sensor, ledger, span_ms)
        query = f'SELECT "sequence", "boot" FROM "{RAW}"."{READINGS}" WHERE {where} GROUP BY *'
        for chunk in client.query(query, epoch="ms", chunked=True, chunk_size=10_000):
            for point in chunk.get_points():
                if point["sequence"] is not None:
                    yield ReadingId(sensor, point["boot"], int(point["sequence"])), point["time"]


def _where(sensor: str, ledger: Ledger, span_ms: tuple[int, int] | None) -> str:
    """A condition for this run's points of one sensor, in a time range or at any time."""
    boots = " OR ".join(f'"boot" = {quote_literal(boot)}' for boot in sorted(ledger.boots))
    times = "" if span_ms is None else f" AND time >= {span_ms[0]}ms AND time <= {span_ms[1]}ms"
    return f'"sensor" = {quote_literal(sensor)} AND ({boots}){times}'


class DeadLetterWatch:
    """Reads `sensors.dlq` from its end at the beginning of the run."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap_servers.split(","),
            enable_auto_commit=False,
            max_partition_fetch_bytes=12 * 1024 * 1024,
            fetch_max_bytes=12 * 1024 * 1024,
        )
        numbers = self._consumer.partitions_for_topic(DEAD_LETTER_TOPIC) or {0}
        self._partitions = [TopicPartition(DEAD_LETTER_TOPIC, number) for number in sorted(numbers)]
        self._consumer.assign(self._partitions)
        for partition, offset in self._consumer.end_offsets(self._partitions).items():
            self._consumer.seek(partition, offset)
        self._ours: set[ReadingId] = set()
        self._others: set[bytes] = set()

    def poll(self, boots: set[str]) -> None:
        """Read what has arrived since the last call; ``boots`` are the boot ids of this run's readings."""
        ends = self._consumer.end_offsets(self._partitions)
        while any(self._consumer.position(partition) < end for partition, end in ends.items()):
            for records in self._consumer.poll(timeout_ms=500).values():
                for record in records:
                    reading = _reading_id(record.value)
                    if reading is not None and reading.boot in boots:
                        self._ours.add(reading)  # at least once: a letter may come twice
                    else:
                        self._others.add(record.key or b"")

    @property
    def count(self) -> int:
        """How many of this run's readings were dead-lettered."""
        return len(self._ours)

    @property
    def others(self) -> int:
        """How many other messages were dead-lettered meanwhile."""
        return len(self._others)

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close(autocommit=False)


def _reading_id(value: bytes | None) -> ReadingId | None:
    try:
        message = json.loads(value or b"")
        return ReadingId(str(message["sensor"]), str(message["boot"]), int(message["sequence"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
