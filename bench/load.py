"""Sends readings to Kafka: as many as there are at once, or at a steady rate."""

import random
import time
from itertools import islice

from confluent_kafka import Producer

from bench.readings import Sent, due_at, reading_of, readings
from sensorpi.common.reading import TOPIC

#: The host whose readings are looked for when latency is measured.
PROBE_HOST = "probe"
#: At most so many probes a second; the other readings are those of this many hosts.
_MOST_PROBES_HZ, _CROWD = 50, 100

_QUEUE_MESSAGES = 200_000


def fill(bootstrap_servers: str, partitions: int, sensors: int, count: int) -> float:
    """Send that many readings, spread evenly over the topic's partitions; return the mean size of a value in bytes."""
    producer = _producer(bootstrap_servers, linger_ms=50)
    size = 0
    for number, sent in enumerate(islice(readings(sensors), count)):
        size += len(sent.value)
        _send(producer, sent, number % partitions)
    _flush(producer)
    return size / count


class Paced:
    """Readings at a steady rate, some of which are probes. Their times are as in ``due_at``."""

    def __init__(self, bootstrap_servers: str, rate_hz: float, duration_s: float) -> None:
        """Make the readings of ``duration_s`` seconds, with timestamps from now on; ``run`` sends them."""
        self._bootstrap_servers = bootstrap_servers
        self._rate_hz = rate_hz
        every = max(1, round(rate_hz / _MOST_PROBES_HZ))
        values, now_ms = random.Random(13), time.time_ns() // 1_000_000
        self._messages = [
            reading_of(
                number,
                PROBE_HOST if number % every == 0 else f"sensor{number % _CROWD:05d}",
                now_ms + round(number * 1000 / rate_hz),
                values,
            )
            for number in range(round(rate_hz * duration_s))
        ]
        self._every = every
        #: Each probe that was handed to the producer: its timestamp in ms, and when, in seconds of the monotonic clock.
        self.sent: list[tuple[int, float]] = []
        #: How far the sender was behind its times at most, in seconds.
        self.behind_s = 0.0

    def run(self) -> None:
        """Send all of them, each when it is due."""
        producer = _producer(self._bootstrap_servers, linger_ms=5)
        began_s = time.monotonic()
        for number, message in enumerate(self._messages):
            due_s = began_s + due_at(number) / self._rate_hz
            while (wait_s := due_s - time.monotonic()) > 0:
                producer.poll(0)
                time.sleep(min(wait_s, 0.1))
            self.behind_s = max(self.behind_s, -wait_s)
            if number % self._every == 0:
                self.sent.append((message.timestamp_ms, time.monotonic()))
            _send(producer, message, 0)
        _flush(producer)


def _producer(bootstrap_servers: str, linger_ms: int) -> Producer:
    return Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "acks": "all",
            "linger.ms": linger_ms,
            "batch.size": 262_144,
            "queue.buffering.max.messages": _QUEUE_MESSAGES,
            "log_level": 3,
        }
    )


def _send(producer: Producer, sent: Sent, partition: int) -> None:
    while True:
        try:
            producer.produce(TOPIC, sent.value, sent.key, partition)
        except BufferError:
            producer.poll(0.1)
        else:
            return


def _flush(producer: Producer) -> None:
    left = producer.flush(60)
    if left:
        raise RuntimeError(f"the broker did not take {left} messages")
