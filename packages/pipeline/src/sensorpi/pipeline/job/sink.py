"""What a Spark worker does with its share of a batch: post lines to InfluxDB, dead-letter the rest.

One attempt: nothing here waits or tries again. What went wrong goes back to the driver, which
decides (`batch.py`). Trying again is always safe: InfluxDB overwrites, and dead letters carry a key.
"""

import gc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from typing import Protocol

from kafka.errors import KafkaError

from sensorpi.common.reading import DEFAULT_HOST
from sensorpi.pipeline.influx.client import WRITER, Endpoint, open_client
from sensorpi.pipeline.job.dead_letters import DeadLetter, DeadLetters
from sensorpi.pipeline.job.lines import InfluxUnavailable, LineWriter, Refusal
from sensorpi.pipeline.job.message import LARGEST_MESSAGE_BYTES, Refused, bounds, parse

#: Lines in one POST: large enough for speed, small enough for a 1 GB Pi.
LINES_PER_POST = 5_000
#: Dead letters that are held before they are sent, each of at most LARGEST_MESSAGE_BYTES.
DEAD_LETTERS_PER_FLUSH = 200


@dataclass(frozen=True)
class SinkConfig:
    """Where a batch goes. It travels to the workers, so it is plain data."""

    influxdb: Endpoint
    writer_password: str = field(repr=False)
    bootstrap_servers: str
    raw_retention_days: int
    default_host: str = DEFAULT_HOST
    #: Points that all fail for one cause are dead-lettered rather than reported as an outage.
    give_up_on_common_cause: bool = False


class Row(Protocol):
    """One Kafka message after the projection of `fast_path.columns`."""

    partition: int
    offset: int
    appended_ms: int
    line: str | None
    key: bytearray | None
    rest: bytearray | None
    too_large: bool | None


@dataclass
class Outcome:
    """What became of one worker's share, all of it of one Kafka partition. ``next_offset`` is exclusive."""

    partition: int
    first_offset: int
    next_offset: int
    stored: int = 0
    dead_lettered: int = 0
    #: Points of those dead-lettered that InfluxDB refused.
    refused: int = 0
    #: Minutes since the epoch that a stored reading belongs to.
    minutes: set[int] = field(default_factory=set)
    newest_ms: int = 0
    #: Why this share must be tried again, with the part that is away; None when all of it is settled.
    away: tuple[str, str] | None = None


def store(rows: Iterable[Row], config: SinkConfig, settled: frozenset[int]) -> Iterator[Outcome]:
    """Settle one Spark partition; yields one Outcome, or none for an empty partition.

    Rows of a Kafka partition in ``settled`` were done by an earlier attempt at the same batch.
    """
    iterator = iter(rows)
    first = next(iterator, None)
    if first is None or first.partition in settled:
        return
    yield _Share(first, config).settle(iterator)


def rehearse(rows: Iterable[Row], config: SinkConfig) -> Iterator[int]:
    """Do what `store` does as far as it leaves no trace: count the rows, connect to InfluxDB."""
    yield sum(1 for row in rows if row.line is not None)
    _line_writer(config.influxdb, config.writer_password).ping()
    # PySpark's workers collect garbage after every task: what is loaded by now stays, and need not be looked at.
    gc.freeze()


class _Share:
    def __init__(self, first: Row, config: SinkConfig) -> None:
        self._first = first
        self._config = config
        self._outcome = Outcome(first.partition, first.offset, first.offset)
        self._writer = _line_writer(config.influxdb, config.writer_password)
        self._dead = _dead_letters(config.bootstrap_servers)
        self._lines: list[tuple[int, str]] = []
        self._letters: list[DeadLetter] = []

    def settle(self, rows: Iterator[Row]) -> Outcome:
        try:
            self._take(self._first)
            for row in rows:
                self._take(row)
            self._post()
            self._send()
        except InfluxUnavailable as error:
            self._outcome.away = ("InfluxDB", str(error))
        except KafkaError as error:
            self._outcome.away = ("Kafka", f"dead letters: {error!r}")
        return self._outcome

    def _take(self, row: Row) -> None:
        self._outcome.next_offset = row.offset + 1
        line = row.line
        if line is None:
            key, value = _bytes(row.key), _bytes(row.rest)
            try:
                line = self._parse(row, key, value)
            except Refused as refused:
                is_here = not row.too_large
                letter = DeadLetter(row.partition, row.offset, str(refused), is_here, row.appended_ms, key, value)
                self._refuse(letter)
                return
        self._lines.append((row.offset, line))
        if len(self._lines) >= LINES_PER_POST:
            self._post()

    def _parse(self, row: Row, key: bytes | None, value: bytes | None) -> str:
        if row.too_large:
            raise Refused(f"too large: at most {LARGEST_MESSAGE_BYTES} bytes are read")
        allowed = bounds(row.appended_ms, self._config.raw_retention_days)
        return parse(value, key, allowed, self._config.default_host).to_line()

    def _post(self) -> None:
        refusals = self._writer.write(self._lines, self._config.give_up_on_common_cause)
        refused_offsets = {refusal.offset for refusal in refusals}
        stored = [int(line.rsplit(" ", 1)[1]) for offset, line in self._lines if offset not in refused_offsets]
        self._outcome.stored += len(stored)
        self._outcome.refused += len(refusals)
        self._outcome.minutes.update({timestamp_ms // 60_000 for timestamp_ms in stored})
        self._outcome.newest_ms = max([self._outcome.newest_ms, *stored])
        self._lines = []
        for refusal in refusals:
            self._refuse(self._refused_letter(refusal))

    def _refused_letter(self, refusal: Refusal) -> DeadLetter:
        return DeadLetter(
            self._outcome.partition, refusal.offset, f"InfluxDB refused it: {refusal.reason}", is_here=False
        )

    def _refuse(self, letter: DeadLetter) -> None:
        self._letters.append(letter)
        if len(self._letters) >= DEAD_LETTERS_PER_FLUSH:
            self._send()

    def _send(self) -> None:
        if self._letters:
            self._dead.send(self._letters)
            self._outcome.dead_lettered += len(self._letters)
            self._letters = []


def _bytes(value: bytearray | None) -> bytes | None:
    """Spark's binary columns come as bytearrays, which Kafka's headers are not."""
    return None if value is None else bytes(value)


@cache  # a Python worker serves many batches
def _line_writer(endpoint: Endpoint, password: str) -> LineWriter:
    return LineWriter(open_client(endpoint, WRITER, password), compress=not _is_loopback(endpoint.host))


@cache
def _dead_letters(bootstrap_servers: str) -> DeadLetters:
    return DeadLetters(bootstrap_servers)


def _is_loopback(host: str) -> bool:
    """Whether compression would cost time without saving any on the way."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
