"""Messages that are not readings, for topic `sensors`: each has to end on the dead-letter topic."""

import json
import random
import time
from collections.abc import Iterable

from kafka import KafkaProducer
from kafka.errors import KafkaError

from sensorpi.common.reading import TOPIC

#: A reading's identity that no sensor has.
BOOT = "hostile"


def messages(numbers: random.Random) -> list[bytes]:
    """One of each kind, in random order, with different bytes each time."""
    now_ms = time.time_ns() // 1_000_000
    good = {"sensor": "S", "host": "H", "boot": BOOT, "sequence": 1, "timestamp": now_ms, "temperature": 21.5}
    text = json.dumps(good)
    found = [
        b"",
        b"{",
        b"[]",
        b"null",
        numbers.randbytes(300),
        b"\xff\xfe" + text.encode(),
        text.encode() + b"}",
        text.replace("21.5", "NaN").encode(),
        text.replace("21.5", "1e400").encode(),
        text.replace("21.5", '"21.5"').encode(),
        text.replace("21.5", "true").encode(),
        text.replace("21.5", "[" * 20_000).encode(),
        text.replace('"temperature"', '"sensor"').encode(),
        json.dumps({**good, "timestamp": 0}).encode(),
        json.dumps({**good, "timestamp": now_ms + 400 * 86_400_000}).encode(),
        json.dumps({**good, "timestamp": 10**400}).encode(),
        json.dumps({**good, "sensor": 'a"b'}).encode(),
        json.dumps({**good, "host": "a\nb"}).encode(),
        json.dumps({**good, "time": 1.0}).encode(),
        json.dumps({**good, **{f"field{number}": 1.0 for number in range(100)}}).encode(),
        text.encode() + b" " * 500_000,
    ]
    numbers.shuffle(found)
    return found


def send(bootstrap_servers: str, values: Iterable[bytes]) -> list[tuple[str, bytes]]:
    """Send them, and return those that Kafka acknowledged, each with its place, ``sensors-PARTITION-OFFSET``.

    Raises KafkaError when Kafka does not answer within seconds.
    """
    producer = KafkaProducer(
        bootstrap_servers=bootstrap_servers.split(","),
        acks="all",
        compression_type="gzip",
        max_block_ms=3_000,
        bootstrap_timeout_ms=3_000,
        request_timeout_ms=3_000,
        delivery_timeout_ms=5_000,
    )
    try:
        futures = [(value, producer.send(TOPIC, value=value, key=b"hostile")) for value in values]
        producer.flush(timeout=6)
        places = []
        for value, future in futures:
            try:
                metadata = future.get(timeout=0.1)
            except KafkaError:
                continue
            places.append((f"{TOPIC}-{metadata.partition}-{metadata.offset}", value))
        return places
    finally:
        producer.close(timeout=1)
