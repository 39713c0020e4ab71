"""One producer in a thread of its own: it can block for seconds, and readings must reach the disk meanwhile."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from sensorpi.sensor.publishing.producer import Producer


class Sent:
    """A message that was sent."""

    __slots__ = ("acknowledged_ns", "append_ms", "error", "is_done", "sent_ns")

    def __init__(self) -> None:
        self.is_done = False
        #: Why it failed; None if it was acknowledged by all replicas.
        self.error: BaseException | None = None
        #: When the broker appended it, in ms; and ``time.monotonic_ns()`` before and after.
        self.append_ms: int | None = None
        self.sent_ns, self.acknowledged_ns = time.monotonic_ns(), 0


class Link:
    """Connects, sends, and closes. Once ``failure`` is set, or after ``close``, it is of no more use."""

    def __init__(self, connect: Callable[[], Producer], wake: Callable[[], None]) -> None:
        """``wake`` is called from another thread after every change."""
        self._connect, self._wake = connect, wake
        self._messages: SimpleQueue[tuple[bytes, bytes, Sent] | None] = SimpleQueue()
        self._is_closing = False
        self.is_connected = False
        #: UnreachableError, or the exception of a bug.
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)
        self._thread.start()

    def send(self, key: bytes, value: bytes) -> Sent:
        """Send a message after those before it."""
        sent = Sent()
        self._messages.put((key, value, sent))
        return sent

    def close(self) -> None:
        """Give up messages that are not acknowledged. The producer is closed in the background."""
        self._is_closing = True
        self._messages.put(None)

    def wait(self, timeout_s: float) -> bool:
        """Wait until the producer is closed or has failed; whether it is."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            producer = self._connect()
            self.is_connected = True
            self._wake()
            try:
                while (message := self._messages.get()) is not None and not self._is_closing:
                    self._send(producer, *message)
            finally:
                producer.close()
        except BaseException as error:
            self.failure = error
            self._wake()

    def _send(self, producer: Producer, key: bytes, value: bytes, sent: Sent) -> None:
        def settled(append_ms: int | None, error: BaseException | None) -> None:
            sent.append_ms, sent.error = append_ms, error
            sent.acknowledged_ns = time.monotonic_ns()
            sent.is_done = True
            self._wake()

        producer.send(key, value, settled)
