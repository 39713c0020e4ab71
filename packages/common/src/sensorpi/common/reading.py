"""The reading: the one message that travels from a sensor to the database.

JSON on topic ``sensors``, Kafka key = `kafka_key`. ``reading.schema.json`` in this folder
describes it as JSON Schema; the tests keep the two in step.
"""

import json
import re
import sys
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

TOPIC = "sensors"
DEAD_LETTER_TOPIC = "sensors.dlq"

#: What an EnviroPhat measures, in the order in which the message carries it, with its unit.
FIELD_UNITS = {
    "temperature": "°C",
    "pressure": "Pa",
    "heading": "°",
    "lightv": "count",
    "lightr": "0-255",
    "lightg": "0-255",
    "lightb": "0-255",
    "motionx": "g",
    "motiony": "g",
    "motionz": "g",
}
FIELDS = tuple(FIELD_UNITS)

#: Sensor and host of a message that does not name them, such as those of the original project's sensor.py.
DEFAULT_SENSOR = "EnviroPhat"
DEFAULT_HOST = "10.0.0.99"

#: 2000-01-01T00:00:00Z. An older timestamp comes from a clock that was never set.
OLDEST_TIMESTAMP_MS = 946_684_800_000
#: How far a sensor's clock may be ahead of the broker's.
LONGEST_LEAD_MS = 24 * 3600 * 1000

#: A sensor, host or boot id. Others cannot be written safely in line protocol, and half a surrogate not in UTF-8.
NAME = re.compile(r'[^\x00-\x1f\x7f"\\\ud800-\udfff]{1,128}')
NAME_RULE = "1 to 128 characters, without control characters, quotes and backslashes"
FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
#: `time` is InfluxDB's own column; the job itself adds the others.
RESERVED_FIELDS = frozenset({"time", "heading_sin", "heading_cos"})
#: The maximum number of keys in a message.
MOST_FIELDS = 64


@dataclass(frozen=True)
class Reading:
    """One sample of one sensor.

    ``timestamp_ms`` is UTC, in milliseconds since the epoch, and strictly increases for a sensor.
    ``sequence`` counts from 1 for each ``boot``. ``values`` maps a name of ``FIELDS`` to a number
    in that field's unit. A field whose chip failed is left out. Other names are allowed and come last.
    """

    sensor: str
    host: str
    boot: str
    sequence: int
    timestamp_ms: int
    values: dict[str, float]

    def to_json(self) -> bytes:
        """The message as it is sent: compact JSON in UTF-8.

        The key order is fixed: the Spark job recognises this shape at a glance (`message.py`).
        """
        message: dict[str, str | float] = {
            "sensor": self.sensor,
            "host": self.host,
            "boot": self.boot,
            "sequence": self.sequence,
            "timestamp": self.timestamp_ms,
        }
        message |= {name: self.values[name] for name in FIELDS if name in self.values}
        message |= {name: value for name, value in self.values.items() if name not in FIELDS}
        return json.dumps(message, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()


def longest_lag_ms(raw_retention_days: int) -> int:
    """How old a reading may be when it arrives; 0 days keep readings for ever."""
    if not raw_retention_days:
        return sys.maxsize
    # An hour less, because points must not expire while their batch is being processed.
    return (raw_retention_days * 24 - 1) * 3600 * 1000


def kafka_key(sensor: str, host: str) -> bytes:
    """The Kafka key of a reading: one for each pair, so that Kafka keeps the order of a pair's readings."""
    return f"{host}/{sensor}".encode()


def json_schema() -> dict[str, Any]:
    """The reading's JSON Schema (draft 2020-12), as shipped."""
    text = files(__package__).joinpath("reading.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
