"""HTTP with the headers and texts of the Mesos programs."""

import json
import socket
import sys
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class Handler(BaseHTTPRequestHandler):
    """One connection; a subclass implements ``get`` and ``post``."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def get(self, path: str, parameters: dict[str, str]) -> None:
        """Answer a GET."""
        raise NotImplementedError

    def post(self, path: str, body: bytes) -> None:
        """Answer a POST."""
        raise NotImplementedError

    def do_GET(self) -> None:  # the library's name
        """Called by the library."""
        url = urlsplit(self.path)
        self.get(url.path, dict(parse_qsl(url.query)))

    def do_POST(self) -> None:  # the library's name
        """Called by the library."""
        self.post(urlsplit(self.path).path, self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def answer(self, status: int, body: bytes = b"", content_type: str = "", location: str = "") -> None:
        """A whole answer."""
        self.begin(status)
        if location:
            self.send_header("Location", location)
        if content_type and not content_type.startswith("text"):
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", content_type)
        else:
            if content_type:
                self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def text(self, status: int, message: str) -> None:
        """A plain-text answer."""
        self.answer(status, message.encode(), "text/plain; charset=utf-8")

    def json(self, content: Any) -> None:
        """An answer of status 200."""
        self.answer(200, json.dumps(content, separators=(",", ":")).encode(), "application/json")

    def begin(self, status: int) -> None:
        """Status line and date."""
        self.send_response_only(status)
        self.send_header("Date", formatdate(usegmt=True))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the library's name
        """Single requests are not logged."""


class Server(ThreadingHTTPServer):
    """Listens; each connection is served on a thread of its own."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has disconnected is not an error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def listen(ip: str, port: int, handler: type[BaseHTTPRequestHandler]) -> Server:
    """A server that listens on the port; a taken port ends the process with a line, as in the real programs."""
    Server.address_family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    try:
        return Server((ip, port), handler)
    except OSError as error:
        print(f"Failed to initialize: Failed to bind on {ip}:{port}: {error.strerror}", file=sys.stderr)
        raise SystemExit(1) from None
