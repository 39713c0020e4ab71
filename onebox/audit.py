"""Counts, from the database and the dead-letter topic themselves, what became of a run's readings."""

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
    """What InfluxDB has of a run: distinct readings, and how many of them stand at more than one place."""

    readings: int
    duplicated: int


def stored(client: InfluxDBClient, ledger: Ledger) -> Stored:
    """Count this run's readings in InfluxDB by (sensor, boot, sequence).

    A reading at more than one time or under more than one tag set is duplicated.
    """
    places = Counter(reading for reading, _ in _points(client, ledger))
    return Stored(len(places), sum(1 for count in places.values() if count > 1))


def count(client: InfluxDBClient, ledger: Ledger) -> int:
    """How many points InfluxDB has of this run at the run's own times: cheaper than `stored`, to wait by."""
    if ledger.oldest_ms is None or ledger.newest_ms is None:
        return 0
    total = 0
    for sensor in sorted(ledger.sensors):
        where = _where(sensor, ledger, (ledger.oldest_ms, ledger.newest_ms))
        result = client.query(f'SELECT count("sequence") FROM "{RAW}"."{READINGS}" WHERE {where}')
        total += sum(int(point["count"]) for point in result.get_points())
    return total


def see_new(client: InfluxDBClient, ledger: Ledger) -> None:
    """Ask once for the readings that no query has returned yet, and note the time of those that are there."""
    span = ledger.unseen_range_ms()
    if span is not None:
        found = [reading for reading, _ in _points(client, ledger, span)]
        ledger.seen(found, time.monotonic_ns())


def _points(
    client: InfluxDBClient, ledger: Ledger, span_ms: tuple[int, int] | None = None
) -> Iterator[tuple[ReadingId, int]]:
    """This run's points as (reading, time in ms), one for each time and tag set."""
    for sensor in sorted(ledger.sensors):
        where = _where(sensor, ledger, span_ms)
        query = f'SELECT "sequence", "boot" FROM "{RAW}"."{READINGS}" WHERE {where} GROUP BY *'
        for chunk in client.query(query, epoch="ms", chunked=True, chunk_size=10_000):
            for point in chunk.get_points():
                if point["sequence"] is not None:
                    yield ReadingId(sensor, point["boot"], int(point["sequence"])), point["time"]


def _where(sensor: str, ledger: Ledger, span_ms: tuple[int, int] | None) -> str:
    """A condition for this run's points of one sensor, at whatever time where no span is given."""
    boots = " OR ".join(f'"boot" = {quote_literal(boot)}' for boot in sorted(ledger.boots))
    times = "" if span_ms is None else f" AND time >= {span_ms[0]}ms AND time <= {span_ms[1]}ms"
    return f'"sensor" = {quote_literal(sensor)} AND ({boots}){times}'


class DeadLetterWatch:
    """Reads `sensors.dlq` from where it ended when the run began."""

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
        """Take in what has come since the last call; ``boots`` tells this run's readings from other messages."""
        ends = self._consumer.end_offsets(self._partitions)
        while any(self._consumer.position(partition) < end for partition, end in ends.items()):
            for records in self._consumer.poll(timeout_ms=500).values():
                for record in records:
                    reading = _reading_id(record.value)
                    if reading is not None and reading.boot in boots:
                        self._ours.add(reading)  # at-least-once: one letter may come twice
                    else:
                        self._others.add(record.key or b"")

    @property
    def count(self) -> int:
        """How many of this run's readings were dead-lettered."""
        return len(self._ours)

    @property
    def others(self) -> int:
        """How many messages of others were dead-lettered meanwhile."""
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
