"""The Kafka producer as the publisher uses it: idempotent, acknowledged by all replicas, bounded in time."""

from collections.abc import Callable, Sequence
from typing import Protocol

from sensorpi.common.reading import TOPIC


class UnreachableError(Exception):
    """Kafka does not answer, or not as it should; the text says why."""


class Pending(Protocol):
    """A message on its way."""

    @property
    def is_done(self) -> bool:
        """Whether its fate is known."""

    def succeeded(self) -> bool:
        """Whether all replicas have it."""

    @property
    def exception(self) -> BaseException | None:
        """Why it failed."""


class Producer(Protocol):
    """Sends messages in order."""

    def send(self, key: bytes, value: bytes, when_done: Callable[[], None]) -> Pending:
        """Hand a message over; ``when_done`` is called from another thread. Raises UnreachableError."""

    def close(self) -> None:
        """Give up what is on its way, within a few seconds. Never raises."""


class KafkaReadingProducer:
    """kafka-python's producer on topic ``sensors``.

    Its own limits are shorter than the publisher's deadline, but are not relied upon: in some versions
    a message can stay on its way for ever after brokers froze.
    """

    def __init__(self, bootstrap_servers: Sequence[str]) -> None:
        """Connect; raises UnreachableError after five seconds."""
        from kafka import KafkaProducer
        from kafka.errors import KafkaError

        self._error = KafkaError
        try:
            self._producer = KafkaProducer(
                bootstrap_servers=list(bootstrap_servers),
                client_id="sensorpi-sensor",
                acks="all",
                enable_idempotence=True,
                linger_ms=5,
                batch_size=65_536,
                max_block_ms=5_000,
                request_timeout_ms=6_000,
                delivery_timeout_ms=8_000,
                bootstrap_timeout_ms=5_000,
                reconnect_backoff_max_ms=2_000,
                metrics_enabled=False,
            )
        except (KafkaError, OSError) as error:
            raise UnreachableError(_reason(error)) from error

    def send(self, key: bytes, value: bytes, when_done: Callable[[], None]) -> Pending:
        """Hand a message over; raises UnreachableError when Kafka does not say within 5 s where the topic is."""
        try:
            future: Pending = self._producer.send(TOPIC, value=value, key=key)
        except (self._error, OSError) as error:
            raise UnreachableError(_reason(error)) from error
        future.add_callback(lambda _metadata: when_done())  # type: ignore[attr-defined]
        future.add_errback(lambda _error: when_done())  # type: ignore[attr-defined]
        return future

    def close(self) -> None:
        """Wait two seconds at most for what is on its way, then end the sender's thread by force."""
        for timeout_s in (2, 0):
            try:
                self._producer.close(timeout=timeout_s)
            except Exception:  # noqa: S112 -- flush's own timeout; the second try ends the thread
                continue
            return
        self._producer._sender.force_close()  # both tries ended before they came to it


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
