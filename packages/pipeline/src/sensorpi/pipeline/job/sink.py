"""What a Spark worker does with its share of a batch: post lines to InfluxDB, dead-letter the rest.

One attempt: nothing here waits or tries again. What went wrong goes back to the driver, which
decides (`batch.py`). Trying again is always safe: InfluxDB overwrites, and dead letters carry a key.
"""

import gc
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from itertools import chain

from kafka.errors import KafkaError

from sensorpi.common.reading import DEFAULT_HOST
from sensorpi.pipeline.influx.client import WRITER, Endpoint, open_client
from sensorpi.pipeline.job.dead_letters import DeadLetter, DeadLetters
from sensorpi.pipeline.job.lines import InfluxUnavailable, LineWriter, Refusal
from sensorpi.pipeline.job.message import LARGEST_MESSAGE_BYTES, Refused, Rules
from sensorpi.pipeline.job.records import unpack

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


def store(records: Iterable[bytes], config: SinkConfig, settled: frozenset[int]) -> Iterator[Outcome]:
    """Settle one Spark partition, all of it of one Kafka partition; yields one Outcome, or none for an empty partition.

    ``records`` are as in `records.py`. A Kafka partition in ``settled`` was done by an earlier attempt at this batch.
    """
    iterator = iter(records)
    first = next(iterator, None)
    if first is None:
        return
    partition, offset, *_ = unpack(first)
    if partition not in settled:
        yield _Share(partition, offset, config).settle(chain([first], iterator))


def rehearse(records: Iterable[bytes], config: SinkConfig) -> Iterator[int]:
    """Do what `store` does as far as it leaves no trace: read the messages, connect to InfluxDB."""
    rules = Rules(config.raw_retention_days, config.default_host)
    readings = 0
    for record in records:
        _, _, appended_ms, key, value, _ = unpack(record)
        with suppress(Refused):
            rules.line(value, key, appended_ms)
            readings += 1
    yield readings
    _line_writer(config.influxdb, config.writer_password).ping()
    # PySpark's workers collect garbage after every task: what is loaded by now stays, and need not be looked at.
    gc.freeze()


class _Share:
    def __init__(self, partition: int, first_offset: int, config: SinkConfig) -> None:
        self._config = config
        self._outcome = Outcome(partition, first_offset, first_offset)
        self._writer = _line_writer(config.influxdb, config.writer_password)
        self._dead = _dead_letters(config.bootstrap_servers)
        self._lines: list[tuple[int, bytes]] = []  # by offset
        self._timestamps_ms: list[int] = []
        self._letters: list[DeadLetter] = []

    def settle(self, records: Iterable[bytes]) -> Outcome:
        try:
            self._take(records)
            self._post()
            self._send()
        except InfluxUnavailable as error:
            self._outcome.away = ("InfluxDB", str(error))
        except KafkaError as error:
            self._outcome.away = ("Kafka", f"dead letters: {error!r}")
        return self._outcome

    def _take(self, records: Iterable[bytes]) -> None:
        line_of = Rules(self._config.raw_retention_days, self._config.default_host).line
        for record in records:
            partition, offset, appended_ms, key, value, is_here = unpack(record)
            self._outcome.next_offset = offset + 1
            try:
                if not is_here:
                    raise Refused(f"too large: at most {LARGEST_MESSAGE_BYTES} bytes are read")
                line, timestamp_ms = line_of(value, key, appended_ms)
            except Refused as refused:
                self._refuse(DeadLetter(partition, offset, str(refused), is_here, appended_ms, key, value))
                continue
            self._lines.append((offset, line))
            self._timestamps_ms.append(timestamp_ms)
            if len(self._lines) >= LINES_PER_POST:
                self._post()

    def _post(self) -> None:
        lines, stored_ms = self._lines, self._timestamps_ms
        self._lines, self._timestamps_ms = [], []
        refusals = self._writer.write(lines, self._config.give_up_on_common_cause)
        if refusals:
            refused = {refusal.offset for refusal in refusals}
            stored_ms = [time for (offset, _), time in zip(lines, stored_ms, strict=True) if offset not in refused]
        self._outcome.stored += len(stored_ms)
        self._outcome.refused += len(refusals)
        self._outcome.minutes.update({timestamp_ms // 60_000 for timestamp_ms in stored_ms})
        self._outcome.newest_ms = max([self._outcome.newest_ms, *stored_ms])
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
