"""The HTTP server of the daemons: what it limits."""

import http.client
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from sensorpi.common.daemon import http_server
from sensorpi.common.daemon.http_server import HttpServer
from sensorpi.common.errors import UserError

REQUEST_S = 1


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = b"hello " + environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpServer]:
    monkeypatch.setattr(http_server, "MOST_CONNECTIONS", 50)
    server = HttpServer(hello, "127.0.0.1", 0, threads=2, request_s=REQUEST_S, longest_request_bytes=100)
    yield server
    server.close()


def test_a_request_is_answered(server: HttpServer) -> None:
    connection = http.client.HTTPConnection(*server.address, timeout=10)
    connection.request("POST", "/", b"world")
    assert connection.getresponse().read() == b"hello world"
    connection.close()


@pytest.mark.parametrize("trickle", [b"", b"GET / HTTP/1.1\r\nX: x"])
def test_idle_and_slow_clients_do_not_shut_others_out(server: HttpServer, trickle: bytes) -> None:
    with ExitStack() as crowd:
        others = [crowd.enter_context(socket.create_connection(server.address)) for _ in range(100)]
        done = threading.Event()
        crowd.callback(done.set)

        def send() -> None:
            letters = iter(trickle + b"x" * 10_000)
            while not done.wait(REQUEST_S / 5):
                letter = bytes([next(letters)]) if trickle else b""
                for each in others:
                    with suppress(OSError):
                        each.send(letter)

        threading.Thread(target=send).start()
        test_a_request_is_answered(server)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n" + b"x" * 101, b"413"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", b"431"),
    ],
    ids=["body", "header"],
)
def test_a_long_request_is_refused(server: HttpServer, request_bytes: bytes, status: bytes) -> None:
    with socket.create_connection(server.address, timeout=10) as connection:
        connection.sendall(request_bytes)
        assert connection.recv(100).split()[1] == status


def test_a_taken_port_is_one_line(server: HttpServer) -> None:
    port = server.address[1]
    with pytest.raises(UserError, match=f"cannot listen on 127.0.0.1 port {port}: Address already in use"):
        HttpServer(hello, "127.0.0.1", port, threads=1, request_s=1)
