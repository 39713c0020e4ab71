"""The readings that are sent: made up, the same in each run, as long as the sensor's."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from sensorpi.common.reading import Reading, kafka_key

#: The time of the first reading, and between two consecutive readings, all sensors together.
FIRST_MS = 1_750_000_000_000
SPACING_MS = 1

_BOOT = "5f0c1a9e77d3"
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Sent:
    """One message."""

    key: bytes
    value: bytes
    timestamp_ms: int


def readings(sensors: int) -> Iterator[Sent]:
    """Endless readings of that many sensors in turn, ``SPACING_MS`` apart, always the same."""
    values = random.Random(13)
    number = 0
    while True:
        yield reading_of(number, f"sensor{number % sensors + 1:05d}", FIRST_MS + number * SPACING_MS, values)
        number += 1


def reading_of(number: int, host: str, timestamp_ms: int, values: random.Random) -> Sent:
    """The reading with that number, from 0, and the next values of a source."""
    reading = Reading("EnviroPhat", host, _BOOT, number + 1, timestamp_ms, _values(values))
    return Sent(kafka_key(reading.sensor, host), reading.to_json(), timestamp_ms)


def due_at(number: int) -> float:
    """When a reading is due, in mean intervals: anywhere within its own interval, evenly spread over many readings.

    With constant intervals, each reading of a second would meet a reader that writes each second at the same moment.
    """
    return number + number * _GOLDEN % 1


def _values(source: random.Random) -> dict[str, float]:
    return {
        "temperature": round(source.uniform(15, 30), 6),
        "pressure": round(source.uniform(99_000, 103_000), 6),
        "heading": round(source.uniform(0, 360), 2),
        "lightv": source.randint(100, 9_999),
        "lightr": source.randint(10, 99),
        "lightg": source.randint(10, 99),
        "lightb": source.randint(10, 99),
        "motionx": round(source.uniform(-1, 1), 9),
        "motiony": round(source.uniform(-1, 1), 9),
        "motionz": round(source.uniform(0.1, 1), 6),
    }
