"""One-minute means follow the readings, however late those come."""

import math
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from influxdb.exceptions import InfluxDBClientError
from pytest_mock import MockerFixture

from sensorpi.pipeline.influx.client import DATABASE, MESSAGE_PACK, RAW, ROLLUP, WRITER, open_client
from sensorpi.pipeline.job.rollup import GRACE_S, RETRY_S, Part, Rollup
from tests.integration.influx_fixture import InfluxServer

MINUTE = int(time.time()) // 60 - 50_000  # since the epoch; its means are still kept
NOW_S = (MINUTE + 10_000) * 60
FIELDS = ["heading", "heading_sin", "heading_cos", "humidity", "odd", "temperature"]


@pytest.fixture
def server(influxdb: InfluxServer) -> Iterator[InfluxServer]:
    yield influxdb
    for measurement in ("sensor", "rollup_due"):
        influxdb.admin.query(f'DROP MEASUREMENT "{measurement}"', method="POST")


def rollup_of(server: InfluxServer, series: int = 2) -> Rollup:
    client = open_client(server.endpoint, WRITER, server.credentials.writer_password, accept=MESSAGE_PACK)
    return Rollup(client, lambda: (FIELDS, series))


def store(server: InfluxServer, minute: float, *, host: str = "h", **fields: float) -> None:
    values = ",".join(f"{name}={value}" for name, value in fields.items())
    line = f"sensor,host={host},sensor=s {values} {round(minute * 60_000)}"
    server.writer.write([line], {"db": DATABASE, "rp": RAW, "precision": "ms"}, protocol="line")


def means(server: InfluxServer) -> list[dict[str, Any]]:
    return list(server.reader.query(f'SELECT * FROM "{ROLLUP}"."sensor"', epoch="m").get_points())


def test_mean_has_the_readings_field_names_and_tags(server: InfluxServer) -> None:
    store(server, MINUTE, temperature=20, humidity=50)
    store(server, MINUTE + 0.5, temperature=22, humidity=70)
    rollup = rollup_of(server)
    rollup.mark({MINUTE})
    assert rollup.condense_due(NOW_S) == 1
    assert means(server) == [{"time": MINUTE, "host": "h", "sensor": "s", "temperature": 21.0, "humidity": 60.0}]


def test_many_series_are_averaged_in_several_requests(server: InfluxServer, mocker: MockerFixture) -> None:
    mocker.patch("sensorpi.pipeline.job.rollup.SERIES_PER_QUERY", 3)
    mocker.patch("sensorpi.pipeline.job.rollup.FIELDS_PER_QUERY", 3)
    hosts = [f"h{n}" for n in range(11)]
    for minute in (MINUTE, MINUTE + 5):
        for host in hosts:
            store(server, minute, host=host, heading=90, heading_sin=1, heading_cos=0, temperature=20)
    rollup = rollup_of(server, series=11)
    rollup.mark({MINUTE, MINUTE + 5})
    ask = mocker.spy(rollup, "_means")
    rollup.condense_due(NOW_S)
    expected = {(minute, host, 90.0, 20.0) for minute in (MINUTE, MINUTE + 5) for host in hosts}
    found = {(point["time"], point["host"], point["heading"], point["temperature"]) for point in means(server)}
    assert found == expected
    assert max(len(points) for points in ask.spy_return_list) == 6


def test_a_late_reading_changes_its_minutes_mean(server: InfluxServer) -> None:
    rollup = rollup_of(server)
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
    rollup = rollup_of(server)
    rollup.mark({MINUTE})
    rollup.condense_due(NOW_S)
    assert means(server)[0]["heading"] == pytest.approx(mean)


def test_fields_that_are_not_named_have_no_mean(server: InfluxServer) -> None:
    store(server, MINUTE, temperature=20, flood=1)
    rollup = rollup_of(server)
    rollup.mark({MINUTE})
    rollup.condense_due(NOW_S)
    assert means(server) == [{"time": MINUTE, "host": "h", "sensor": "s", "temperature": 20.0}]


def test_a_minute_that_is_not_over_waits(server: InfluxServer) -> None:
    store(server, MINUTE, temperature=20)
    rollup = rollup_of(server)
    rollup.mark({MINUTE})
    assert rollup.condense_due((MINUTE + 1) * 60 + GRACE_S - 1) == 0
    assert rollup.condense_due((MINUTE + 1) * 60 + GRACE_S) == 1


def test_what_was_due_at_a_crash_is_condensed_after_the_restart(server: InfluxServer) -> None:
    store(server, MINUTE, temperature=20)
    rollup_of(server).mark({MINUTE})
    assert rollup_of(server).condense_due(NOW_S) == 1
    assert len(means(server)) == 1


def test_nothing_is_condensed_twice_without_need(server: InfluxServer) -> None:
    store(server, MINUTE, temperature=20)
    rollup = rollup_of(server)
    rollup.mark({MINUTE})
    rollup.condense_due(NOW_S)
    assert rollup.condense_due(NOW_S) == 0
    assert rollup_of(server).condense_due(NOW_S) == 0


def test_days_of_minutes_with_gaps_are_condensed_in_steps(server: InfluxServer) -> None:
    minutes = [MINUTE + offset for offset in [*range(300), *range(5000, 5005), 9000]]
    for minute in minutes:
        store(server, minute, temperature=20)
    rollup = rollup_of(server)
    rollup.mark(set(minutes))
    assert rollup.condense_due(NOW_S) == len(minutes)
    assert [point["time"] for point in means(server)] == minutes


def test_readings_older_than_any_mean_are_no_trouble(server: InfluxServer) -> None:
    store(server, MINUTE - 3 * 365 * 24 * 60, temperature=10)
    store(server, MINUTE, temperature=20)
    rollup = rollup_of(server)
    rollup.mark({MINUTE - 3 * 365 * 24 * 60, MINUTE})
    rollup.condense_due(NOW_S)
    assert [point["time"] for point in means(server)] == [MINUTE]
    assert rollup.condense_due(NOW_S) == 0


def test_hosts_keep_means_of_their_own(server: InfluxServer) -> None:
    store(server, MINUTE, host="a", temperature=10)
    store(server, MINUTE, host="b", temperature=20)
    rollup = rollup_of(server)
    rollup.mark({MINUTE})
    rollup.condense_due(NOW_S)
    assert {(point["host"], point["temperature"]) for point in means(server)} == {("a", 10.0), ("b", 20.0)}


def test_hours_apart_are_condensed_many_in_one_request(server: InfluxServer) -> None:
    minutes = [MINUTE + 60 * hour for hour in range(150)]
    for minute in minutes:
        store(server, minute, temperature=20)
    rollup = rollup_of(server)
    rollup.mark(set(minutes))
    assert rollup.condense_due(NOW_S) == len(minutes)
    assert [point["time"] for point in means(server)] == minutes
    assert rollup_of(server).condense_due(NOW_S) == 0


@pytest.mark.parametrize("host", ["K\u00fcche\u0085", "a\u2028b", "a\u00a0b"])
def test_a_host_with_an_odd_name_gets_its_means(server: InfluxServer, host: str) -> None:
    store(server, MINUTE, host=host, temperature=20)
    rollup = rollup_of(server)
    rollup.mark({MINUTE})
    rollup.condense_due(NOW_S)
    assert [point["host"] for point in means(server)] == [host]


def test_an_infinite_mean_is_left_out_and_the_others_are_written(server: InfluxServer) -> None:
    store(server, MINUTE, temperature=1.797e308, humidity=50)
    store(server, MINUTE + 0.5, temperature=1.797e308, humidity=50)
    store(server, MINUTE, host="other", temperature=20)
    rollup = rollup_of(server)
    rollup.mark({MINUTE})
    rollup.condense_due(NOW_S)
    found = {(point["host"], point["temperature"], point["humidity"]) for point in means(server)}
    assert found == {("h", None, 50.0), ("other", 20.0, None)}


@pytest.fixture
def five_minutes(server: InfluxServer) -> Rollup:
    """Readings in five minutes, which are all due."""
    minutes = range(MINUTE, MINUTE + 5)
    for minute in minutes:
        store(server, minute, temperature=20)
    rollup = rollup_of(server)
    rollup.mark(set(minutes))
    return rollup


def test_a_mean_that_influxdb_refuses_holds_up_no_other(
    server: InfluxServer, five_minutes: Rollup, caplog: pytest.LogCaptureFixture
) -> None:
    conflict = f'sensor,host=other,sensor=s odd="text" {(MINUTE + 2) * 60_000}'
    server.writer.write([conflict], {"db": DATABASE, "rp": ROLLUP, "precision": "ms"}, protocol="line")
    store(server, MINUTE + 2, odd=1)
    five_minutes.condense_due(NOW_S)
    assert [point["time"] for point in means(server) if point["host"] == "h"] == [
        MINUTE, MINUTE + 1, MINUTE + 3, MINUTE + 4,
    ]  # fmt: skip
    [line] = [record.getMessage() for record in caplog.records if record.name.endswith(".rollup")]
    assert re.match(r"The means of minute \S+Z and of 0 others could not be written: ", line)
    assert "field type conflict" in line


def test_a_minute_that_fails_is_set_aside_and_tried_again(
    server: InfluxServer, five_minutes: Rollup, mocker: MockerFixture
) -> None:
    ask = five_minutes._means

    def fails_at_one(ranges: list[tuple[int, int]], part: Part) -> list[dict[str, object]]:
        if any(first <= MINUTE + 2 <= last for first, last in ranges):
            raise InfluxDBClientError("partial write", 400)
        return ask(ranges, part)

    broken = mocker.patch.object(five_minutes, "_means", side_effect=fails_at_one)
    five_minutes.condense_due(NOW_S)
    assert [point["time"] - MINUTE for point in means(server)] == [0, 1, 3, 4]
    assert five_minutes.condense_due(NOW_S) == 0
    broken.side_effect = ask
    assert five_minutes.condense_due(NOW_S + int(RETRY_S)) == 1
    assert [point["time"] - MINUTE for point in means(server)] == [0, 1, 2, 3, 4]
    assert rollup_of(server).condense_due(NOW_S) == 0


def test_a_minute_that_failed_is_due_after_a_restart(server: InfluxServer, mocker: MockerFixture) -> None:
    store(server, MINUTE, temperature=20)
    rollup = rollup_of(server)
    rollup.mark({MINUTE})
    mocker.patch.object(rollup, "_means", side_effect=InfluxDBClientError("partial write", 400))
    rollup.condense_due(NOW_S)
    assert rollup_of(server).condense_due(NOW_S) == 1
    assert len(means(server)) == 1


def test_an_outage_leaves_the_minutes_due(server: InfluxServer, five_minutes: Rollup, mocker: MockerFixture) -> None:
    mocker.patch.object(five_minutes, "_means", side_effect=InfluxDBClientError("busy", 503))
    with pytest.raises(InfluxDBClientError):
        five_minutes.condense_due(NOW_S)
    mocker.stopall()
    assert five_minutes.condense_due(NOW_S) == 5


def test_a_minute_marked_while_it_is_condensed_stays_due(
    server: InfluxServer, five_minutes: Rollup, mocker: MockerFixture
) -> None:
    ask = five_minutes._means

    def with_a_late_reading(ranges: list[tuple[int, int]], part: Part) -> list[dict[str, object]]:
        points = ask(ranges, part)
        store(server, MINUTE + 1.5, temperature=30)
        five_minutes.mark({MINUTE + 1})
        return points

    mocker.patch.object(five_minutes, "_means", side_effect=with_a_late_reading)
    five_minutes.condense_due(NOW_S)
    mocker.stopall()
    assert five_minutes.condense_due(NOW_S) == 1
    assert [point["temperature"] for point in means(server)] == [20.0, 25.0, 20.0, 20.0, 20.0]
