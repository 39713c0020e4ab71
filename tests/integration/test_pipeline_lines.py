"""Points that InfluxDB refuses are singled out, all others are stored."""

import uuid

import pytest

from sensorpi.pipeline.influx.client import DATABASE, RAW, WRITER, Endpoint, open_client
from sensorpi.pipeline.job.lines import COMMON_CAUSE, InfluxUnavailable, LineWriter
from tests.integration.influx_fixture import InfluxServer
from tests.integration.ports import free_port


@pytest.fixture
def measurement() -> str:
    return f"test_{uuid.uuid4().hex}"


def test_refused_points_are_singled_out_with_influxdbs_words(influxdb: InfluxServer, measurement: str) -> None:
    writer = LineWriter(influxdb.writer)
    lines = [(offset, f"{measurement} a={offset}.0 {1_700_000_000_000 + offset}".encode()) for offset in range(1000)]
    lines[17] = (17, f'{measurement} a="text" 1700000000017'.encode())
    lines[400] = (400, f'{measurement} a="text" 1700000000400'.encode())
    lines[999] = (999, f"{measurement} a=NaN 1700000000999".encode())
    refusals = writer.write(lines)
    assert [refusal.offset for refusal in refusals] == [17, 400, 999]
    assert "field type conflict" in refusals[0].reason
    [count] = influxdb.reader.query(f'SELECT count(a) FROM "{measurement}"').get_points()
    assert count["count"] == 997


def test_points_that_all_fail_for_one_cause_are_an_outage(influxdb: InfluxServer, measurement: str) -> None:
    parameters = {"db": DATABASE, "rp": RAW, "precision": "ms"}
    influxdb.writer.write([f"{measurement} a=1i 1700000000000"], parameters, protocol="line")
    lines = [
        (offset, f"{measurement} a=1.5 {1_700_000_000_001 + offset}".encode()) for offset in range(COMMON_CAUSE + 5)
    ]
    writer = LineWriter(influxdb.writer)
    with pytest.raises(InfluxUnavailable, match=r"it refuses every point: .*field type conflict"):
        writer.write(lines)
    refusals = writer.write(lines, give_up_on_common_cause=True)
    assert len(refusals) == len(lines)


def test_common_cause_is_the_points_fault_once_others_are_taken(influxdb: InfluxServer, measurement: str) -> None:
    good = [(offset, f"{measurement} a=1.5 {1_700_000_000_000 + offset}".encode()) for offset in range(100)]
    bad = [(offset, f'{measurement} a="text" {1_700_000_000_000 + offset}'.encode()) for offset in range(100, 130)]
    refusals = LineWriter(influxdb.writer).write(good + bad)
    assert [refusal.offset for refusal in refusals] == list(range(100, 130))


def test_compressed_lines_arrive(influxdb: InfluxServer, measurement: str) -> None:
    assert LineWriter(influxdb.writer, compress=True).write([(0, f"{measurement} a=1.5 1700000000000".encode())]) == []
    [point] = influxdb.reader.query(f'SELECT a FROM "{measurement}"').get_points()
    assert point["a"] == 1.5


def test_a_wrong_password_is_no_fault_of_the_points(influxdb: InfluxServer) -> None:
    writer = LineWriter(open_client(influxdb.endpoint, WRITER, "wrong"))
    with pytest.raises(InfluxUnavailable, match="HTTP 401"):
        writer.write([(0, b"m a=1 1")])


def test_nobody_there_is_an_outage_in_a_few_words() -> None:
    writer = LineWriter(open_client(Endpoint("127.0.0.1", free_port()), WRITER, "secret"))
    with pytest.raises(InfluxUnavailable, match=r"^no connection$"):
        writer.write([(0, b"m a=1 1")])
