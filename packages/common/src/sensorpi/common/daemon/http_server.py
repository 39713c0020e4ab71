"""The HTTP server of our daemons: Waitress, with limits that idle and slow clients do not exhaust."""

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

import waitress
from waitress.channel import HTTPChannel

from sensorpi.common.errors import UserError

#: A WSGI application.
Wsgi = Callable[..., Iterable[bytes]]

#: Below the 1,024 files that systemd allows a process by default.
MOST_CONNECTIONS = 800


class _Connection(HTTPChannel):  # type: ignore[misc]  # it has no types
    """A connection whose time-out counts from the last response, so that a trickle of bytes does not prolong it."""

    def handle_read(self) -> None:
        """Read what has arrived."""
        last_s = self.last_activity  # type: ignore[has-type]
        super().handle_read()
        self.last_activity = last_s


class HttpServer:
    """Answers requests in its own threads until it is closed."""

    def __init__(
        self, app: Wsgi, host: str, port: int, *, threads: int, request_s: int, longest_request_bytes: int = 8192
    ) -> None:
        """``host`` is a name or an address, IPv6 with or without brackets.

        A request must be complete ``request_s`` seconds after its connection was opened or the last response was sent.
        Raises ``UserError`` when the address cannot be listened on.
        """
        host = host.strip("[]")
        try:
            listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except OSError as error:
            raise UserError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
        self.address: tuple[str, int] = listening.getsockname()[:2]
        logging.getLogger("waitress").setLevel(logging.ERROR)  # it warns when all threads are busy
        self._server = waitress.create_server(
            app,
            sockets=[listening],
            threads=threads,
            ident=None,
            max_request_header_size=16384,
            max_request_body_size=longest_request_bytes,
            connection_limit=MOST_CONNECTIONS,
            asyncore_use_poll=True,
            channel_timeout=request_s,
            cleanup_interval=1,
        )
        self._server.channel_class = _Connection
        self._thread = threading.Thread(target=self._server.run, name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.task_dispatcher.shutdown()  # first, or its threads would wake a loop that has ended
        with suppress(OSError):  # a wake-up that was under way has closed it already
            self._server.trigger.pull_trigger(self._close)  # only the server's loop may close what it uses
        self._thread.join(5.0)

    def _close(self) -> None:
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        self._server.close()
