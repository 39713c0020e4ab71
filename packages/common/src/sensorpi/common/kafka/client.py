"""Kafka clients that leave no sockets or threads behind when no broker answers. This module needs kafka-python."""

import socket
from collections.abc import Callable
from typing import Any, TypeVar

from kafka.errors import KafkaConnectionError, KafkaError
from kafka.net.compat import KafkaNetClient

Client = TypeVar("Client")


def open_client(make: Callable[..., Client], bootstrap_servers: str, timeout_s: float, **settings: Any) -> Client:
    """Make a client, of a class ``make`` of kafka-python, for these servers and settings.

    Raises ``KafkaError`` when no server answers within ``timeout_s``.
    """
    servers = bootstrap_servers.split(",")
    # kafka-python 3.0.11 leaves an open socket behind for every refused connection, so it must not try.
    if not any(_is_open(server, timeout_s) for server in servers):
        raise KafkaConnectionError("nothing listens there")
    networks: list[KafkaNetClient] = []

    def network(**options: object) -> KafkaNetClient:
        networks.append(KafkaNetClient(**options))
        return networks[-1]

    try:
        return make(
            bootstrap_servers=servers,
            bootstrap_timeout_ms=round(timeout_s * 1000),
            kafka_client=network,
            **settings,
        )
    except KafkaError:
        for each in networks:  # a constructor that fails leaves its thread and sockets behind, too
            each.close()
        raise


def _is_open(server: str, timeout_s: float) -> bool:
    host, _, port = server.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout_s).close()
    except OSError:
        return False
    return True
