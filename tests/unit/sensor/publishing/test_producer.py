"""The producer where no broker answers. tests/integration has the rest."""

import gc
import socket
from pathlib import Path

import pytest

from sensorpi.sensor.publishing.producer import KafkaReadingProducer, UnreachableError


def test_refused_connections_leave_no_socket_behind() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # without listen(): it refuses
        server = f"127.0.0.1:{taken.getsockname()[1]}"
        gc.disable()
        try:
            counts = []
            for _ in range(4):
                with pytest.raises(UnreachableError, match="nothing listens there"):
                    KafkaReadingProducer((server, server))
                counts.append(len(list(Path("/proc/self/fd").iterdir())))
        finally:
            gc.enable()
    assert counts[-1] == counts[0]
