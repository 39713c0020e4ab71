"""What a Spark worker does with its share of a batch: post lines to InfluxDB, dead-letter the rest.

Nothing here waits or retries. Errors are returned to the driver, which decides what to do (`batch.py`).
Another attempt is always safe: InfluxDB overwrites points, and dead letters have a key.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from itertools import chain
from typing import NamedTuple

from kafka.errors import KafkaError
from pyspark import Broadcast

from sensorpi.common.reading import DEFAULT_HOST
from sensorpi.pipeline.influx.client import WRITER, Endpoint, open_client
from sensorpi.pipeline.job.dead_letters import DeadLetter, DeadLetters
from sensorpi.pipeline.job.lines import InfluxUnavailable, LineWriter, Refusal
from sensorpi.pipeline.job.message import Refused, Rules, too_large
from sensorpi.pipeline.job.names import Gate, Known, Names, Undecided
from sensorpi.pipeline.job.records import Message, parts, unpack

#: Lines in one POST: large enough for speed, small enough for a 1 GB Pi.
LINES_PER_POST = 10_000
#: Dead letters that are collected before they are sent.
DEAD_LETTERS_PER_FLUSH = 200
#: Either is also sent when it takes this much memory.
LARGEST_HELD_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class SinkConfig:
    """Where a batch goes. It is sent to the workers, so it is plain data."""

    influxdb: Endpoint
    writer_password: str = field(repr=False)
    bootstrap_servers: str
    raw_retention_days: int
    default_host: str = DEFAULT_HOST
    #: Points that all fail for the same reason are dead-lettered instead of being reported as an outage.
    give_up_on_common_cause: bool = False


@dataclass
class Outcome:
    """What became of one worker's share, all of it from one Kafka partition. ``next_offset`` is exclusive."""

    partition: int
    first_offset: int
    next_offset: int
    stored: int = 0
    dead_lettered: int = 0
    #: How many of the dead letters are points that InfluxDB refused.
    refused: int = 0
    #: The dead letters that the brokers have, as (partition, offset), also when another attempt is needed.
    lettered: set[tuple[int, int]] = field(default_factory=set)
    #: Minutes (since the epoch) of the stored readings.
    minutes: set[int] = field(default_factory=set)
    newest_ms: int = 0
    #: New names: those that were admitted, and those about which the driver has to decide before another attempt.
    admitted: Names = field(default_factory=Names)
    undecided: Names = field(default_factory=Names)
    #: What is unavailable, and why, so that another attempt is needed.
    unavailable: tuple[str, str] | None = None

    @property
    def is_settled(self) -> bool:
        """Whether every message of the share is a point or a dead letter."""
        return self.unavailable is None and not self.undecided


class Done(NamedTuple):
    """What earlier attempts at the same batch have done: Kafka partitions settled, and letters sent from others."""

    partitions: frozenset[int] = frozenset()
    letters: frozenset[tuple[int, int]] = frozenset()


def store(records: Iterable[bytes], config: SinkConfig, done: Done, known: "Broadcast[Known]") -> Iterator[Outcome]:
    """Settle one Spark partition, all of it from one Kafka partition. Yields one Outcome, or none if it is empty.

    ``records`` are as in `records.py`. What is ``done`` is not done again.
    """
    iterator = iter(records)
    first = next(iterator, None)
    if first is None:
        return
    message = unpack(first)
    if message.partition not in done.partitions:
        yield _Share(message, config, done.letters, Gate(known.value)).settle(chain([first], iterator))


def rehearse(records: Iterable[bytes], config: SinkConfig) -> Iterator[int]:
    """Do what `store` does without writing anything: read the messages, connect to InfluxDB."""
    rules = Rules(config.raw_retention_days, config.default_host)
    readings = 0
    for record in records:
        message = unpack(record)
        with suppress(Refused):
            rules.line(message.value, message.key, message.appended_ms)
            readings += 1
    yield readings
    _line_writer(config.influxdb, config.writer_password).ping()


@dataclass
class _Part:
    """What one POST stores: each line with its message's offset, and what it was made of."""

    lines: list[tuple[int, bytes]] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    timestamps_ms: list[int] = field(default_factory=list)


class _Share:
    def __init__(self, first: Message, config: SinkConfig, lettered: frozenset[tuple[int, int]], gate: Gate) -> None:
        self._config = config
        self._line_of = Rules(config.raw_retention_days, config.default_host, gate).line
        self._lettered_before = lettered
        self._outcome = Outcome(
            first.partition, first.offset, first.offset, admitted=gate.admitted, undecided=gate.undecided
        )
        self._writer = _line_writer(config.influxdb, config.writer_password)
        self._dead = _dead_letters(config.bootstrap_servers)
        #: What InfluxDB is storing, and its answer, while the next part is made.
        self._posted: tuple[_Part, Future[list[Refusal]]] | None = None
        self._letters: list[DeadLetter] = []
        self._letters_bytes = 0

    def settle(self, records: Iterable[bytes]) -> Outcome:
        try:
            for some in _parts(records):
                part = self._read(some)
                self._take_answer()
                self._posted = (
                    part,
                    _poster().submit(self._writer.write, part.lines, self._config.give_up_on_common_cause),
                )
            self._take_answer()
            self._send()
        except InfluxUnavailable as error:
            self._outcome.unavailable = ("InfluxDB", str(error))
        except KafkaError as error:
            self._outcome.unavailable = ("Kafka", f"dead letters: {error!r}")
        return self._outcome

    def _read(self, records: list[bytes]) -> _Part:
        part = _Part()
        add_line, add_record, add_timestamp = part.lines.append, part.records.append, part.timestamps_ms.append
        line_of = self._line_of
        for record in records:
            _, offset, appended_ms, key, value, left_out_bytes = parts(record)
            try:
                if left_out_bytes:
                    raise too_large(left_out_bytes)
                line, timestamp_ms = line_of(value, key, appended_ms)
            except Refused as refused:
                self._refuse(unpack(record), str(refused))
                continue
            except Undecided:
                continue
            add_line((offset, line))
            add_record(record)
            add_timestamp(timestamp_ms)
        self._outcome.next_offset = offset + 1
        return part

    def _take_answer(self) -> None:
        """Wait until InfluxDB has stored the part before, and count it."""
        if self._posted is None:
            return
        (part, answer), self._posted = self._posted, None
        stored_ms = part.timestamps_ms
        if refusals := answer.result():
            refused = {refusal.offset for refusal in refusals}
            stored_ms = [time for (offset, _), time in zip(part.lines, stored_ms, strict=True) if offset not in refused]
            record_of = {offset: record for (offset, _), record in zip(part.lines, part.records, strict=True)}
            for refusal in refusals:
                self._refuse(unpack(record_of[refusal.offset]), f"InfluxDB refused it: {refusal.reason}")
        self._outcome.stored += len(stored_ms)
        self._outcome.refused += len(refusals)
        self._outcome.minutes.update({timestamp_ms // 60_000 for timestamp_ms in stored_ms})
        self._outcome.newest_ms = max([self._outcome.newest_ms, *stored_ms])

    def _refuse(self, message: Message, reason: str) -> None:
        self._outcome.dead_lettered += 1
        if (message.partition, message.offset) in self._lettered_before:
            return
        letter = DeadLetter(message, reason)
        self._letters.append(letter.without_value() if message.left_out_bytes else letter)
        self._letters_bytes += letter.size_bytes
        if len(self._letters) >= DEAD_LETTERS_PER_FLUSH or self._letters_bytes >= LARGEST_HELD_BYTES:
            self._send()

    def _send(self) -> None:
        letters, self._letters, self._letters_bytes = self._letters, [], 0
        if letters:
            for letter in self._dead.send(letters):
                self._outcome.lettered.add((letter.message.partition, letter.message.offset))


def _parts(records: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The records in lists, each for one POST."""
    part: list[bytes] = []
    size_bytes = 0
    for record in records:
        part.append(record)
        size_bytes += len(record)
        if len(part) >= LINES_PER_POST or size_bytes >= LARGEST_HELD_BYTES:
            yield part
            part, size_bytes = [], 0
    if part:
        yield part


@cache
def _poster() -> ThreadPoolExecutor:
    """The thread that waits for InfluxDB while the next lines are made."""
    return ThreadPoolExecutor(1, "post")


@cache
def _line_writer(endpoint: Endpoint, password: str) -> LineWriter:
    return LineWriter(open_client(endpoint, WRITER, password), compress=not _is_loopback(endpoint.host))


@cache
def _dead_letters(bootstrap_servers: str) -> DeadLetters:
    return DeadLetters(bootstrap_servers)


def _is_loopback(host: str) -> bool:
    """Whether the address is on this machine, where compression would only cost time."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
