"""A dashboard over an InfluxDB of its own, which holds a quarter of an hour of readings with known faults."""

import json
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from sensorpi.pipeline.dashboard.server import serve
from sensorpi.pipeline.influx.client import DATABASE, RAW, ROLLUP, Endpoint
from sensorpi.pipeline.influx.setup import set_up
from tests.integration.influx_fixture import InfluxServer
from tests.integration.ports import free_port

DASHBOARDS = Path(__file__).parents[2] / "grafana" / "dashboards"
DASHBOARD_UIDS = ("sensorpi-envirophat", "sensorpi-pipeline")
SENSOR_HOSTS = ("10.0.0.99", "sensor02")
#: One reading a second for so long, with a minute missing in its middle.
LENGTH_S = 900
GAP_S = range(420, 480)
ROLLUP_DAYS = 600


@dataclass
class DashboardSite:
    """The served dashboard, its InfluxDB, and the range that the readings are in."""

    influxdb: InfluxServer
    endpoint: Endpoint
    start_ms: int

    @property
    def end_ms(self) -> int:
        """The newest reading's time."""
        return self.start_ms + (LENGTH_S - 1) * 1000

    def url(self, path: str = "") -> str:
        """The address of a path."""
        return f"http://{self.endpoint}/{path}"

    def get(self, path: str, **parameters: Any) -> requests.Response:
        """What the server answers to a GET."""
        return requests.get(self.url(path), params=parameters, timeout=30)

    def panel(self, uid: str, panel_id: int, **parameters: Any) -> dict[str, Any]:
        """A panel's data over the readings' range, unless the parameters say another."""
        choice = {"dashboard": uid, "panel": panel_id, "from": self.start_ms, "to": self.end_ms} | parameters
        answer = self.get("api/panel", **choice)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def newest(self, field: str, measurement: str = "sensor", host: str = "10.0.0.99") -> float:
        """The newest value of a field, asked of InfluxDB directly."""
        query = f'SELECT last("{field}") FROM "raw"."{measurement}" WHERE "host" = $host'
        (point,) = self.influxdb.reader.query(query, bind_params={"host": host}).get_points()
        return float(point["last"])


def panels_of(uid: str) -> list[dict[str, Any]]:
    """The panels in the file of a dashboard."""
    for path in DASHBOARDS.glob("*.json"):
        file = json.loads(path.read_text(encoding="utf-8"))
        if file["uid"] == uid:
            panels: list[dict[str, Any]] = file["panels"]
            return panels
    raise AssertionError(uid)


def _reading(host: str, second: int, time_ms: int) -> str:
    # The heading turns by 1.5 degrees a second, so that it passes north several times.
    heading = (300 + 1.5 * second + len(host)) % 360
    fields = {
        "temperature": 21 + math.sin(second / 60) + len(host),
        "pressure": 101_325 + second / 10,
        "heading": heading,
        "heading_sin": math.sin(math.radians(heading)),
        "heading_cos": math.cos(math.radians(heading)),
        "lightv": 500 + second,
        "lightr": 100 + second % 7,
        "lightg": 90 + second % 5,
        "lightb": 80 + second % 3,
        "motionx": 0.01 * (second % 4),
        "motiony": -0.02 * (second % 3),
        "motionz": 1 + 0.001 * (second % 9),
        "sequence": second + 1,
    }
    text = ",".join(f"{name}={float(value)}" for name, value in fields.items())
    return f"sensor,sensor=EnviroPhat,host={host} {text} {time_ms}"


def _fill(server: InfluxServer, start_ms: int) -> None:
    lines = []
    for second in range(LENGTH_S):
        time_ms = start_ms + second * 1000
        if second not in GAP_S:
            lines += [_reading(host, second, time_ms) for host in SENSOR_HOSTS]
        figures = f"stored=2,dead_lettered={int(second % 300 == 7)},refused=0,lost=0,batch_ms={300 + second % 9}"
        lines.append(f"pipeline,host=master02 {figures},lag={second % 5},late_ms={800 + second % 50} {time_ms}")
    lines.append(f'events,kind=influxdb text="InfluxDB was away for 58 s" {start_ms + GAP_S.stop * 1000}')
    writer = server.writer
    writer.write(lines, {"db": DATABASE, "rp": RAW, "precision": "ms"}, protocol="line")
    # Long ago the readings themselves are gone, and their means, here one an hour, are left.
    days_ago = (start_ms - hour * 3_600_000 for hour in range(1, ROLLUP_DAYS * 24))
    means = [f"sensor,sensor=EnviroPhat,host=10.0.0.99 temperature=15,pressure=100000 {ms}" for ms in days_ago]
    for first in range(0, len(means), 5000):
        chunk = means[first : first + 5000]
        writer.write(chunk, {"db": DATABASE, "rp": ROLLUP, "precision": "ms"}, protocol="line")


@pytest.fixture(scope="session")
def dashboard_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardSite]:
    """The built-in dashboard, served over readings that end now; tests that write use hosts of their own."""
    server = InfluxServer(tmp_path_factory.mktemp("dashboard"))
    stop = threading.Event()
    endpoint = Endpoint("127.0.0.1", free_port())
    thread = threading.Thread(
        target=serve,
        args=(endpoint, server.endpoint, server.credentials.reader_password, DASHBOARDS),
        kwargs={"stop": stop},
        daemon=True,
    )
    server.start()
    try:
        set_up(server.endpoint, server.credentials, raw_retention_days=0)
        start_ms = (time.time_ns() // 1_000_000_000 - LENGTH_S) * 1000
        _fill(server, start_ms)
        thread.start()
        _wait_until_served(endpoint)
        yield DashboardSite(server, endpoint, start_ms)
    finally:
        stop.set()
        thread.join(timeout=10)
        server.stop()


def _wait_until_served(endpoint: Endpoint) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            requests.get(f"http://{endpoint}/healthz", timeout=5)
        except requests.ConnectionError:
            assert time.monotonic() < deadline, "the dashboard does not answer"
            time.sleep(0.05)
        else:
            return
