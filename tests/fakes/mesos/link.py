"""A connection between master and agent, or agent and executor: JSON objects, one a line, in both directions."""

import json
import queue
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Message = dict[str, Any]


class Link:
    """Sends without blocking; passes on what arrives on a thread of its own."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._out: queue.SimpleQueue[Message | None] = queue.SimpleQueue()

    def start(self, on_message: Callable[[Message], None], on_end: Callable[[], None]) -> None:
        """``on_end`` is called once, after the last message."""
        threading.Thread(target=self._write, daemon=True).start()
        threading.Thread(target=self._read, args=(on_message, on_end), daemon=True).start()

    def send(self, message: Message) -> None:
        """Send in order; without an error even when the connection has ended, which ``on_end`` reports."""
        self._out.put(message)

    def close(self) -> None:
        """End both directions, now."""
        self._out.put(None)
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _write(self) -> None:
        with suppress(OSError):
            while (message := self._out.get()) is not None:
                self._sock.sendall(json.dumps(message).encode() + b"\n")

    def _read(self, on_message: Callable[[Message], None], on_end: Callable[[], None]) -> None:
        with suppress(OSError, ValueError), self._sock.makefile("rb") as reader:
            for line in reader:
                on_message(json.loads(line))
        self._out.put(None)
        self._sock.close()
        on_end()
