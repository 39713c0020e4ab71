"""What InfluxDB has stored: its cheap counters while a reader works, and what is checked afterwards."""

from influxdb import InfluxDBClient

from sensorpi.common.reading import FIELDS
from sensorpi.pipeline.influx.client import DATABASE, RAW, READINGS

_FIELDS = ("boot", "sequence", *FIELDS)


def written_points(counters: dict[str, object]) -> int:
    """The points that InfluxDB has accepted for the readings' policy, from its `/debug/vars`."""
    total = 0
    for counter in counters.values():
        if isinstance(counter, dict) and counter.get("name") == "shard":
            tags = counter["tags"]
            if tags["database"] == DATABASE and tags["retentionPolicy"] == RAW:
                total += int(counter["values"]["writePointsOk"])
    return total


def expected(count: int) -> dict[str, int]:
    """What `stored` returns when all of that many readings are stored, each once."""
    return {**dict.fromkeys(_FIELDS, count), "sum": count * (count + 1) // 2}


def stored(client: InfluxDBClient) -> dict[str, int]:
    """How many values each field of the readings has, and the sum of the sequences; empty without readings."""
    counts = ", ".join(f'count("{name}") AS "{name}"' for name in _FIELDS)
    query = f'SELECT {counts}, sum("sequence") AS "sum" FROM "{RAW}"."{READINGS}"'
    point: dict[str, int | str] = next(client.query(query).get_points(), {})
    return {name: int(value) for name, value in point.items() if name != "time"}
