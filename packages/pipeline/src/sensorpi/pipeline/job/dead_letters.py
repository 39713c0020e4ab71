"""Topic `sensors.dlq`: every message that did not become a point, with the reason in its headers."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError
from kafka.producer.future import FutureRecordMetadata

from sensorpi.common.reading import DEAD_LETTER_TOPIC, TOPIC
from sensorpi.pipeline.job.records import Message

#: Room for the largest message that the topic takes, its headers and the protocol around them.
LARGEST_REQUEST_BYTES = 12 * 1024 * 1024
PATIENCE_S = 30.0


@dataclass(frozen=True)
class DeadLetter:
    """A message that did not become a point."""

    message: Message
    reason: str

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return 500 + len(self.message.key or b"") + len(self.message.value or b"")

    def without_value(self) -> "DeadLetter":
        """The same without key and value, for a message that is too large; its offset is in the headers."""
        size = self.message.left_out_bytes or self.size_bytes
        reason = f"{self.reason} (left out here: {size} bytes)"
        return replace(self, message=self.message._replace(key=None, value=None), reason=reason)


class DeadLetters:
    """Sends dead letters, at least once: a repetition has the same key, topic-partition-offset."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._servers = bootstrap_servers.split(",")
        self._producer: KafkaProducer | None = None

    def send(self, letters: Iterable[DeadLetter]) -> Iterator[DeadLetter]:
        """Send letters, and yield each as soon as the brokers have it. Raises KafkaError when they do not answer.

        What the brokers refuse for its size is sent without key and value.
        """
        try:
            producer = self._producer = self._producer or self._open_producer()
            refused = []
            for letter, future in [(letter, self._send_one(producer, letter)) for letter in letters]:
                if _is_too_large(future):
                    refused.append(letter)
                else:
                    yield letter
            for letter in refused:
                future = self._send_one(producer, letter.without_value())
                if future is not None:
                    future.get(timeout=PATIENCE_S)
                yield letter
        except KafkaError:
            self.close()  # the next attempt opens new connections
            raise

    def close(self) -> None:
        """Close the connections. The next attempt sends again what was not acknowledged."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=1)

    def _send_one(self, producer: KafkaProducer, letter: DeadLetter) -> FutureRecordMetadata | None:
        """The future of a letter; None when it is too large for any request."""
        message = letter.message
        headers = [
            ("reason", letter.reason.encode("utf-8", errors="backslashreplace")),
            ("topic", TOPIC.encode()),
            ("partition", str(message.partition).encode()),
            ("offset", str(message.offset).encode()),
            ("timestamp", str(message.appended_ms).encode()),
        ]
        if message.key is not None:
            headers.append(("key", message.key))
        key = f"{TOPIC}-{message.partition}-{message.offset}".encode()
        with suppress(MessageSizeTooLargeError):
            return producer.send(DEAD_LETTER_TOPIC, key=key, value=message.value, headers=headers)
        return None

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


def _is_too_large(future: FutureRecordMetadata | None) -> bool:
    """Wait for the brokers; return whether they refused the letter for its size. Raises other KafkaErrors."""
    if future is None:
        return True
    try:
        future.get(timeout=PATIENCE_S)
    except MessageSizeTooLargeError:
        return True
    return False
