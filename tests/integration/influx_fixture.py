"""A real InfluxDB for the tests, set up as the pipeline's."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from influxdb import InfluxDBClient

from onebox.influxd import influxd_process
from sensorpi.pipeline.influx.client import Credentials, Endpoint, admin_client, reader_client, writer_client
from sensorpi.pipeline.influx.setup import set_up, wait_for_ping
from tests.integration.ports import free_port


class InfluxServer:
    """An influxd of our own, which can be stopped and started again on the same data and ports."""

    def __init__(self, directory: Path, more_settings: Mapping[str, str] | None = None) -> None:
        """``more_settings`` are INFLUXDB_* variables that override those of ``influxd_process``."""
        self.directory = directory
        self.endpoint = Endpoint("127.0.0.1", free_port())
        self.credentials = Credentials("admin-secret", "writer-secret", "reader-secret")
        self._backup_port = free_port()
        self._more_settings = dict(more_settings or {})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers. Raises UserError after 30 s."""
        argv, environment = influxd_process(self.directory, self.endpoint.port, self._backup_port)
        with (self.directory / "influxd.log").open("ab") as log:
            self._process = subprocess.Popen(argv, env=environment | self._more_settings, stdout=log, stderr=log)
        wait_for_ping(self.endpoint, wait_s=30)

    def stop(self) -> None:
        """Stop it and wait until it is gone."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @property
    def admin(self) -> InfluxDBClient:
        """A client that may do everything."""
        return admin_client(self.endpoint, self.credentials)

    @property
    def writer(self) -> InfluxDBClient:
        """A client that may write."""
        return writer_client(self.endpoint, self.credentials)

    @property
    def reader(self) -> InfluxDBClient:
        """A client that may only read."""
        return reader_client(self.endpoint, self.credentials)


@pytest.fixture(scope="session")
def influxdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    """An InfluxDB that keeps raw readings for ever; a test that stops it starts it again."""
    server = InfluxServer(tmp_path_factory.mktemp("influxdb"))
    server.start()
    try:
        set_up(server.endpoint, server.credentials, raw_retention_days=0)
        yield server
    finally:
        server.stop()


@pytest.fixture
def fresh_influxd(tmp_path: Path) -> Iterator[InfluxServer]:
    """An influxd that nobody has set up yet."""
    server = InfluxServer(tmp_path)
    server.start()
    try:
        yield server
    finally:
        server.stop()
