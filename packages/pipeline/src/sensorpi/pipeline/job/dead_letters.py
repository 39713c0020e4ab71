"""Topic `sensors.dlq`: every message that became no point, with the reason in its headers."""

from dataclasses import dataclass, replace

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaTimeoutError

from sensorpi.common.reading import DEAD_LETTER_TOPIC, TOPIC

#: Room for the largest message that the topic takes, its headers and the protocol around them.
LARGEST_REQUEST_BYTES = 12 * 1024 * 1024
PATIENCE_S = 30.0


@dataclass(frozen=True)
class DeadLetter:
    """A message that became no point.

    ``is_here`` tells whether its key, value and append time are; if not, they are read again from
    the log by its offset.
    """

    partition: int
    offset: int
    reason: str
    is_here: bool
    appended_ms: int | None = None
    key: bytes | None = None
    value: bytes | None = None


class DeadLetters:
    """Sends dead letters, at least once: the key, topic-partition-offset, tells a repetition."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._servers = bootstrap_servers.split(",")
        self._producer: KafkaProducer | None = None
        self._consumer: KafkaConsumer | None = None

    def send(self, letters: list[DeadLetter]) -> None:
        """Return when the brokers have all of them. Raises KafkaError when they do not."""
        try:
            producer = self._producer = self._producer or self._open_producer()
            futures = [self._send_one(producer, letter) for letter in letters]
            producer.flush(timeout=PATIENCE_S)
            for future in futures:
                future.get(timeout=PATIENCE_S)
        except BaseException:
            self.close()  # the next attempt starts on fresh connections
            raise

    def close(self) -> None:
        """Drop the connections; what was not acknowledged is sent again by the next attempt."""
        producer, consumer = self._producer, self._consumer
        self._producer = self._consumer = None
        if producer is not None:
            producer.close(timeout=1)
        if consumer is not None:
            consumer.close(autocommit=False)

    def _send_one(self, producer: KafkaProducer, letter: DeadLetter):  # type: ignore[no-untyped-def]
        if not letter.is_here:
            letter = self._fetch(letter)
        headers = [
            ("reason", letter.reason.encode("utf-8", errors="backslashreplace")),
            ("topic", TOPIC.encode()),
            ("partition", str(letter.partition).encode()),
            ("offset", str(letter.offset).encode()),
            ("timestamp", str(letter.appended_ms).encode()),
        ]
        if letter.key is not None:
            headers.append(("key", letter.key))
        key = f"{TOPIC}-{letter.partition}-{letter.offset}".encode()
        return producer.send(DEAD_LETTER_TOPIC, key=key, value=letter.value, headers=headers)

    def _fetch(self, letter: DeadLetter) -> DeadLetter:
        """The letter with its original key, value and append time, as long as the log has them."""
        consumer = self._consumer = self._consumer or self._open_consumer()
        partition = TopicPartition(TOPIC, letter.partition)
        if consumer.assignment() != {partition}:
            consumer.assign([partition])
            consumer.seek(partition, letter.offset)
        elif consumer.position(partition) != letter.offset:  # a seek throws away what was read ahead
            consumer.seek(partition, letter.offset)
        records = consumer.poll(timeout_ms=int(PATIENCE_S * 1000), max_records=1).get(partition)
        if not records:
            raise KafkaTimeoutError(f"{TOPIC}-{letter.partition} did not give offset {letter.offset}")
        record = records[0]
        if record.offset != letter.offset:
            return replace(letter, reason=f"{letter.reason} (already deleted from the log)")
        return replace(letter, appended_ms=record.timestamp, key=record.key, value=record.value)

    def _open_producer(self) -> KafkaProducer:
        return KafkaProducer(
            bootstrap_servers=self._servers,
            acks="all",
            enable_idempotence=True,
            max_request_size=LARGEST_REQUEST_BYTES,
            delivery_timeout_ms=int(PATIENCE_S * 1000),
            request_timeout_ms=int(PATIENCE_S * 1000 / 2),
            max_block_ms=int(PATIENCE_S * 1000),
        )

    def _open_consumer(self) -> KafkaConsumer:
        return KafkaConsumer(
            bootstrap_servers=self._servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # The broker gives the batch with that offset however large it is; more would be read in vain.
            fetch_max_bytes=1,
            max_partition_fetch_bytes=1,
        )
