"""The Kafka producer as the publisher uses it: idempotent, acknowledged by all replicas, bounded in time."""

import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sensorpi.common.reading import TOPIC

#: What becomes of a message: the broker's time of appending it (ms; None if it does not tell), or why it failed.
Settled = Callable[[int | None, BaseException | None], None]


class UnreachableError(Exception):
    """Kafka does not answer, or answers with an error; the text says why."""


class Producer(Protocol):
    """Sends messages in order. Every method can block for some seconds."""

    def send(self, key: bytes, value: bytes, settled: Settled) -> None:
        """Send a message; ``settled`` is called once, from any thread. Raises UnreachableError."""

    def close(self) -> None:
        """Give up messages that are not acknowledged, and close within a few seconds. Never raises."""


class KafkaReadingProducer:
    """kafka-python's producer for topic ``sensors``.

    Its time limits are shorter than the publisher's deadline, but the publisher does not rely on them: in some
    versions a message can stay pending forever after the brokers froze.
    """

    def __init__(self, bootstrap_servers: Sequence[str]) -> None:
        """Connect. Raises UnreachableError after five seconds for each server, and five more."""
        from kafka import KafkaProducer
        from kafka.errors import KafkaError

        from sensorpi.common.kafka.client import open_client

        self._error = KafkaError
        try:
            self._producer = open_client(
                KafkaProducer,
                ",".join(random.sample(bootstrap_servers, len(bootstrap_servers))),  # not the dead one first each time
                timeout_s=5.0,
                client_id="sensorpi-sensor",
                acks="all",
                enable_idempotence=True,
                linger_ms=5,
                batch_size=65_536,
                max_block_ms=5_000,
                request_timeout_ms=6_000,
                delivery_timeout_ms=8_000,
                reconnect_backoff_max_ms=2_000,
                metrics_enabled=False,
            )
        except (KafkaError, OSError) as error:
            raise UnreachableError(_reason(error)) from error

    def send(self, key: bytes, value: bytes, settled: Settled) -> None:
        """Send a message. Raises UnreachableError when the topic's leader is not known within 5 s.

        The topic has ``message.timestamp.type=LogAppendTime``. If it had not, the time would be this clock's.
        """

        def acknowledged(metadata: Any) -> None:
            settled(metadata.timestamp if metadata.timestamp >= 0 else None, None)

        try:
            future = self._producer.send(TOPIC, value=value, key=key)
        except (self._error, OSError) as error:
            raise UnreachableError(_reason(error)) from error
        future.add_callback(acknowledged)
        future.add_errback(lambda error: settled(None, error))

    def close(self) -> None:
        """Wait at most two seconds for acknowledgements, then end the sender's thread by force."""
        for timeout_s in (2, 0):
            try:
                self._producer.close(timeout=timeout_s)
            except Exception:  # noqa: S112 -- the timeout of flush; the second try ends the thread
                continue
            return
        self._producer._sender.force_close()  # both tries failed before they did that


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
