"""A flood of names: the job admits as many as are allowed, and those of the cluster's nodes in any case."""

import time
from collections.abc import Iterator

import pytest
from kafka.consumer.fetcher import ConsumerRecord

from onebox.home import NODE
from sensorpi.common.cluster.model import FILE_NAME
from sensorpi.common.reading import DEFAULT_SENSOR, Reading
from sensorpi.pipeline.influx.client import admin_client, reader_client
from sensorpi.pipeline.job.admission import Admission
from sensorpi.pipeline.job.message import Point
from tests.integration.influx_fixture import InfluxServer
from tests.integration.pipeline_fixture import Pipeline, reading_json
from tests.integration.waiting import wait_until

MOST = 5
FULL = f"The maximum of {MOST} sensors"


def drop_readings(pipeline: Pipeline) -> None:
    client = admin_client(pipeline.stages.endpoint, pipeline.stages.credentials)
    client.query('DROP MEASUREMENT "sensor"', method="POST")
    client.close()


@pytest.fixture
def few_names(pipeline_without_job: Pipeline) -> Iterator[Pipeline]:
    """A pipeline without readings, whose job admits MOST sensors."""
    pipeline = pipeline_without_job
    file = pipeline.stages.home.config / FILE_NAME
    text = file.read_text()
    file.write_text(text.replace("[spark]\n", f"[spark]\nmax_sensors = {MOST}\n"))
    drop_readings(pipeline)
    pipeline.restart("spark")
    yield pipeline
    file.write_text(text)
    pipeline.service("spark").stop()
    drop_readings(pipeline)


def stored_sensors(pipeline: Pipeline) -> set[str]:
    client = reader_client(pipeline.stages.endpoint, pipeline.stages.credentials)
    found = client.query('SHOW TAG VALUES FROM "sensor" WITH KEY = "sensor"')
    client.close()
    return {each["value"] for each in found.get_points()}


def send_flood(pipeline: Pipeline, names: list[str]) -> dict[int, str]:
    """Put one reading of each sensor on the topic; returns offset -> sensor."""
    now_ms = int(time.time() * 1000)
    readings = {name: Reading(name, "flood", "boot", 1, now_ms, {"temperature": 20.0}).to_json() for name in names}
    return {pipeline.send(value): name for name, value in readings.items()}


def reason(letter: ConsumerRecord) -> str:
    header: bytes = dict(letter.headers)["reason"]
    return header.decode()


def test_a_flood_of_sensors_is_refused_also_after_a_restart(few_names: Pipeline) -> None:
    pipeline, before = few_names, len(few_names.log("spark"))
    sent = send_flood(pipeline, [f"flood-{n}" for n in range(40)])
    wait_until(lambda: len(stored_sensors(pipeline)) >= MOST, f"{MOST} sensors")
    others = stored_sensors(pipeline) - set(sent.values())  # an earlier test's last messages may be read again
    admitted = stored_sensors(pipeline) - others
    letters = pipeline.dead_letters({offset for offset, name in sent.items() if name not in admitted})
    assert len(admitted) + len(others) == MOST
    assert len(letters) == 40 - len(admitted)
    assert all(reason(letter).startswith("too many sensors: ") for letter in letters.values())
    assert pipeline.log("spark")[before:].count(FULL) == 1

    pipeline.service("spark").stop()
    before = len(pipeline.log("spark"))
    pipeline.service("influxdb").stop()  # the job asks for the names as soon as it can
    again = send_flood(pipeline, ["another", *admitted])
    pipeline.send_readings(DEFAULT_SENSOR, 1, host=NODE)
    pipeline.send_readings("kitchen", 1, host=NODE)
    pipeline.service("spark").start()
    pipeline.restart("influxdb")
    pipeline.service("spark").wait_until_ready(240)
    [letter] = pipeline.dead_letters({next(iter(again))}).values()
    assert reason(letter).startswith("too many sensors: ")
    for name in admitted:
        pipeline.wait_for_points(name, 2)
    for name in (DEFAULT_SENSOR, "kitchen"):
        assert [point["host"] for point in pipeline.wait_for_points(name, 1)] == [NODE]
    assert pipeline.log("spark")[before:].count(FULL) == 1


def test_a_flood_of_fields_is_refused(few_names: Pipeline) -> None:
    now_ms = int(time.time() * 1000)
    sent = {
        few_names.send(reading_json("fields", now_ms + n, **{f"field{n:03}": 1}), key=NODE.encode()): n
        for n in range(130)
    }
    few_names.send_readings("fields", 1, host=NODE)
    points = few_names.wait_for_points("fields", 101)
    names = {name for point in points for name in point if name.startswith("field")}
    assert len(names) == 100
    letters = few_names.dead_letters({offset for offset, n in sent.items() if f"field{n:03}" not in names})
    assert {reason(letter)[:22] for letter in letters.values()} == {"too many field names: "}


def test_stored_names_are_read_back_as_the_job_writes_them(influxdb: InfluxServer) -> None:
    names = ["a b", "a,b=c", "ü", "K\u0085", "a\u2028b", "<&>", "x'y", " lead", "a=", "🙂", "EnviroPhat"]
    influxdb.admin.query('DROP MEASUREMENT "sensor"', method="POST")
    points = [Point(name, name, "boot", {"temperature": 1.0, "co2": 1.0}, 1_700_000_000_000) for name in names]
    influxdb.writer.write(
        [point.to_line() for point in points], {"db": "sensordata", "rp": "raw", "precision": "ms"}, protocol="line"
    )
    try:
        admission = Admission(influxdb.writer, 100, ["sensor01"])
        known = admission.known(1)
        assert {point.series.encode() for point in points} <= known.series
        assert (known.series_room, known.fields_room) == (100 - len(names), 99)
        assert "co2" in admission.stored()[0]
    finally:
        influxdb.admin.query('DROP MEASUREMENT "sensor"', method="POST")
