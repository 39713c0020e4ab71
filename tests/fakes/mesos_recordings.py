"""The recorded conversations with a real Mesos 1.11, and a server that plays the master's side of one."""

import json
import queue
import socket
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).parents[1] / "recordings/mesos-v1"

Line = dict[str, Any]

#: HTTP chunks of these sizes, in turn: within lengths, between records, within a character.
CHUNK_BYTES = (1, 2, 3, 5, 17, 64, 1, 800, 4000)

_PATIENCE_S = 20.0


def lines(name: str) -> list[Line]:
    """The lines of one recording, in order."""
    return [json.loads(line) for line in (DIRECTORY / name).read_text(encoding="utf-8").splitlines()]


def record(line: Line) -> bytes:
    """The event's bytes as the master sent them: compact JSON in the recorded order, of the recorded length."""
    body = json.dumps(line["event"], separators=(",", ":")).encode()
    assert len(body) == line["length"]
    return body


@dataclass
class Request:
    """One request of the client, waiting for the master's answer."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    sock: socket.socket

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    def answer(self, status: int, headers: Mapping[str, str], body: str = "") -> None:
        """Send the recorded answer; the connection stays open, as a master's does."""
        self._begin(status, headers)
        self.sock.sendall(body.encode())

    def begin_stream(self, headers: Mapping[str, str]) -> "Stream":
        """Send the recorded headers of an answer that goes on."""
        assert headers["Transfer-Encoding"] == "chunked"
        self._begin(200, headers)
        return Stream(self.sock)

    def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.sock.sendall(f"HTTP/1.1 {status} Recorded\r\n{head}\r\n".encode())


class Stream:
    """The master's side of a subscription."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sizes = cycle(CHUNK_BYTES)

    def send(self, record: bytes, length: int | None = None) -> None:
        """Send one RecordIO frame, split at awkward places; ``length`` is what the frame claims."""
        self.send_raw(b"%d\n%b" % (len(record) if length is None else length, record))

    def send_raw(self, data: bytes) -> None:
        """Send bytes in HTTP chunks, whose own lines are split as well."""
        while data:
            size = next(self._sizes)
            chunk, data = data[:size], data[size:]
            for piece in (b"%x" % len(chunk), b"\r", b"\n" + chunk[:1], chunk[1:] + b"\r\n"):
                self._sock.sendall(piece)

    def end(self) -> None:
        """End it as a master does, with the last chunk; after a final ERROR the client may have closed it already."""
        with suppress(OSError):
            self._sock.sendall(b"0\r\n\r\n")
        self._sock.close()

    def break_off(self) -> None:
        """Break it off as a killed master does, with a reset."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()


class ReplayMaster:
    """Listens on loopback and passes each request to the test, which answers it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.address = f"127.0.0.1:{self.port}"
        self._requests: queue.Queue[Request] = queue.Queue()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def request(self) -> Request:
        """The next request, in order of arrival; fails the test when none comes."""
        return self._requests.get(timeout=_PATIENCE_S)

    def is_idle(self) -> bool:
        """Whether no request waits."""
        return self._requests.empty()

    def close(self) -> None:
        """Refuse connections from now on, and close the open ones."""
        with suppress(OSError):  # closed already
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock.makefile("rb") as reader:
            try:
                request_line = reader.readline().decode().split()
                if len(request_line) != 3:  # closed without a request
                    return
                headers = dict(_headers(iter(reader.readline, b"")))
                body = reader.read(int(headers.get("Content-Length", 0)))
            except OSError:
                return
        self._requests.put(Request(request_line[0], request_line[1], headers, body, sock))


def _headers(raw: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    for line in raw:
        name, separator, value = line.decode().strip().partition(": ")
        if not separator:
            return
        yield name, value
