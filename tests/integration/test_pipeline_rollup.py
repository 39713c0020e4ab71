"""One-minute means follow the readings, however late those come."""

import math
import time
from collections.abc import Iterator

import pytest

from sensorpi.pipeline.influx.client import DATABASE, RAW, ROLLUP
from sensorpi.pipeline.job.rollup import GRACE_S, Rollup
from tests.integration.influx_fixture import InfluxServer

MINUTE = int(time.time()) // 60 - 50_000  # since the epoch; its means are still kept
NOW_S = (MINUTE + 10_000) * 60


@pytest.fixture
def server(influxdb: InfluxServer) -> Iterator[InfluxServer]:
    yield influxdb
    for measurement in ("sensor", "rollup_due"):
        influxdb.admin.query(f'DROP MEASUREMENT "{measurement}"', method="POST")


def store(server: InfluxServer, minute: float, *, host: str = "h", **fields: float) -> None:
    values = ",".join(f"{name}={value}" for name, value in fields.items())
    line = f"sensor,host={host},sensor=s {values} {int(minute * 60_000)}"
    server.writer.write([line], {"db": DATABASE, "rp": RAW, "precision": "ms"}, protocol="line")


def means(server: InfluxServer) -> list[dict[str, object]]:
    return list(server.reader.query(f'SELECT * FROM "{ROLLUP}"."sensor"', epoch="m").get_points())


def test_a_minutes_mean_has_the_readings_own_field_names_and_tags(server: InfluxServer) -> None:
    store(server, MINUTE, temperature=20, humidity=50)
    store(server, MINUTE + 0.5, temperature=22, humidity=70)
    rollup = Rollup(server.writer)
    rollup.mark({MINUTE})
    assert rollup.condense_due(NOW_S) == 1
    assert means(server) == [{"time": MINUTE, "host": "h", "sensor": "s", "temperature": 21.0, "humidity": 60.0}]


def test_a_late_reading_changes_its_minutes_mean(server: InfluxServer) -> None:
    rollup = Rollup(server.writer)
    store(server, MINUTE, temperature=20)
    rollup.mark({MINUTE})
    rollup.condense_due(NOW_S)
    store(server, MINUTE + 0.9, temperature=30)
    rollup.mark({MINUTE})
    assert rollup.condense_due(NOW_S) == 1
    assert [point["temperature"] for point in means(server)] == [25.0]


@pytest.mark.parametrize(("headings", "mean"), [((350, 30), 10.0), ((340, 350), 345.0), ((170, 190), 180.0)])
def test_headings_are_averaged_around_north(server: InfluxServer, headings: tuple[int, int], mean: float) -> None:
    for second, degrees in enumerate(headings):
        radians = math.radians(degrees)
        sine, cosine = math.sin(radians), math.cos(radians)
        store(server, MINUTE + second / 60, heading=degrees, heading_sin=sine, heading_cos=cosine)
    rollup = Rollup(server.writer)
    rollup.mark({MINUTE})
    rollup.condense_due(NOW_S)
    assert means(server)[0]["heading"] == pytest.approx(mean)


def test_sequence_numbers_have_no_mean(server: InfluxServer) -> None:
    store(server, MINUTE, temperature=20, sequence=7)
    rollup = Rollup(server.writer)
    rollup.mark({MINUTE})
    rollup.condense_due(NOW_S)
    assert "sequence" not in means(server)[0]


def test_a_minute_that_is_not_over_waits(server: InfluxServer) -> None:
    store(server, MINUTE, temperature=20)
    rollup = Rollup(server.writer)
    rollup.mark({MINUTE})
    assert rollup.condense_due((MINUTE + 1) * 60 + GRACE_S - 1) == 0
    assert rollup.condense_due((MINUTE + 1) * 60 + GRACE_S) == 1


def test_what_was_due_at_a_crash_is_condensed_after_the_restart(server: InfluxServer) -> None:
    store(server, MINUTE, temperature=20)
    Rollup(server.writer).mark({MINUTE})
    assert Rollup(server.writer).condense_due(NOW_S) == 1
    assert len(means(server)) == 1


def test_nothing_is_condensed_twice_without_need(server: InfluxServer) -> None:
    store(server, MINUTE, temperature=20)
    rollup = Rollup(server.writer)
    rollup.mark({MINUTE})
    rollup.condense_due(NOW_S)
    assert rollup.condense_due(NOW_S) == 0
    assert Rollup(server.writer).condense_due(NOW_S) == 0


def test_days_of_minutes_with_gaps_are_condensed_in_steps(server: InfluxServer) -> None:
    minutes = [MINUTE + offset for offset in [*range(300), *range(5000, 5005), 9000]]
    for minute in minutes:
        store(server, minute, temperature=20)
    rollup = Rollup(server.writer)
    rollup.mark(set(minutes))
    assert rollup.condense_due(NOW_S) == len(minutes)
    assert [point["time"] for point in means(server)] == minutes


def test_readings_older_than_any_mean_are_no_trouble(server: InfluxServer) -> None:
    store(server, MINUTE - 3 * 365 * 24 * 60, temperature=10)
    store(server, MINUTE, temperature=20)
    rollup = Rollup(server.writer)
    rollup.mark({MINUTE - 3 * 365 * 24 * 60, MINUTE})
    rollup.condense_due(NOW_S)
    assert [point["time"] for point in means(server)] == [MINUTE]
    assert rollup.condense_due(NOW_S) == 0


def test_hosts_keep_means_of_their_own(server: InfluxServer) -> None:
    store(server, MINUTE, host="a", temperature=10)
    store(server, MINUTE, host="b", temperature=20)
    rollup = Rollup(server.writer)
    rollup.mark({MINUTE})
    rollup.condense_due(NOW_S)
    assert {(point["host"], point["temperature"]) for point in means(server)} == {("a", 10.0), ("b", 20.0)}
