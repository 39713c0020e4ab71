"""Clients of Kafka that cannot connect leave nothing behind: a job may wait for its brokers for days."""

import gc
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.errors import KafkaError

from sensorpi.common.kafka.client import open_client


def open_files() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("make", [KafkaAdminClient, KafkaConsumer])
@pytest.mark.parametrize("listens", [False, True], ids=["refused", "silent"])
def test_one_that_cannot_connect_leaves_nothing(make: Callable[..., Any], listens: bool) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listens:
            server.listen()
        files, threads = open_files(), threading.active_count()
        for _ in range(3):
            with pytest.raises(KafkaError):
                open_client(make, f"127.0.0.1:{server.getsockname()[1]}", 0.3)
        assert (open_files(), threading.active_count()) == (files, threads)
