"""Whether an InfluxDB that is found on the machine is somebody else's, asked of a real one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorpi.common.errors import UserError
from sensorpi.pipeline.influx.client import open_client
from sensorpi.pipeline.influx.service import other_databases
from tests.integration.influx_fixture import InfluxServer


@pytest.fixture
def packaged(tmp_path: Path) -> Iterator[InfluxServer]:
    """An InfluxDB that wants no password, as Debian's package starts it."""
    server = InfluxServer(tmp_path, {"INFLUXDB_HTTP_AUTH_ENABLED": "false"})
    server.start()
    yield server
    server.stop()


def test_a_fresh_one_is_nobodys(packaged: InfluxServer, tmp_path: Path) -> None:
    assert other_databases(packaged.endpoint, tmp_path / "data") == []


def test_a_database_without_data_is_seen(packaged: InfluxServer, tmp_path: Path) -> None:
    client = open_client(packaged.endpoint, "", "")
    for name in ("collectd", "sensordata"):
        client.create_database(name)
    client.close()
    assert other_databases(packaged.endpoint, tmp_path / "data") == ["collectd"]


def test_one_that_wants_a_password_is_somebody_elses(tmp_path: Path) -> None:
    server = InfluxServer(tmp_path)
    server.start()
    try:
        with pytest.raises(UserError, match="used by another program, and is not changed"):
            other_databases(server.endpoint, tmp_path / "data")
    finally:
        server.stop()
