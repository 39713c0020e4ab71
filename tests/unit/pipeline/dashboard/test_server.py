"""The dashboard's server while InfluxDB is frozen: it takes connections and answers nothing."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import requests

from sensorpi.common.daemon.http_server import HttpServer
from sensorpi.pipeline.dashboard.model import load_dashboards
from sensorpi.pipeline.dashboard.server import MOST_WAITING, PAGE_USER, THREADS, DashboardServer
from sensorpi.pipeline.influx.client import Endpoint

DASHBOARDS = Path(__file__).parents[4] / "grafana" / "dashboards"
PANEL = "api/panel?dashboard=sensorpi-envirophat&panel=5&from=now-1h"
#: Far below the time for which a query waits for InfluxDB.
SOON_S = 5


def test_a_page_with_a_password_is_shown_to_its_user_only() -> None:
    app = DashboardServer(load_dashboards(DASHBOARDS), Endpoint("127.0.0.1", 1), "x", page_password="password").app
    with closing(HttpServer(app, "127.0.0.1", 0, threads=2, request_s=30)) as server:
        address = f"http://127.0.0.1:{server.address[1]}/"
        right = (PAGE_USER, "password")
        for auth in None, ("sensorpi", "x"), ("admin", "password"), ("sensorpi", ""):
            for path in "", "web/dashboard.js", "api/dashboards", "api/panel", "nothing":
                answer = requests.get(address + path, auth=auth, timeout=SOON_S)
                assert (answer.status_code, answer.headers["WWW-Authenticate"][:5]) == (401, "Basic")
                assert "password of user sensorpi" in answer.json()["error"]
        assert requests.get(address, headers={"Authorization": "Basic \x80=:"}, timeout=SOON_S).status_code == 401
        assert requests.get(address, auth=right, timeout=SOON_S).text.startswith("<!DOCTYPE html>")
        assert requests.get(f"{address}healthz", timeout=SOON_S).status_code == 200


@pytest.fixture
def site() -> Iterator[tuple[str, list[int]]]:
    """The address, and the statuses of the requests refused at once, of 200 for a panel; 200 others only connect."""
    refused: list[int] = []
    enough = threading.Event()

    def ask() -> None:
        try:
            refused.append(requests.get(f"{address}{PANEL}", timeout=60).status_code)
        except requests.ConnectionError:
            return  # the test is over
        if len(refused) == 200 - MOST_WAITING:
            enough.set()

    with ThreadPoolExecutor(200) as clients, ExitStack() as stack:
        frozen = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
        influxdb = Endpoint("127.0.0.1", frozen.getsockname()[1])
        app = DashboardServer(load_dashboards(DASHBOARDS), influxdb, "x").app
        server = HttpServer(app, "127.0.0.1", 0, threads=THREADS, request_s=30)
        stack.callback(server.close)
        address = f"http://127.0.0.1:{server.address[1]}/"
        for _ in range(200):
            stack.enter_context(socket.create_connection(server.address))
            clients.submit(ask)
        assert enough.wait(15)
        yield address, refused


def test_the_page_is_served_while_influxdb_is_frozen(site: tuple[str, list[int]]) -> None:
    address, refused = site
    for path in "", "web/dashboard.js", "chart.js", "api/dashboards":
        assert requests.get(address + path, timeout=SOON_S).status_code == 200
    health = requests.get(f"{address}healthz", timeout=SOON_S)
    assert health.json()["dashboard"] == "ok"
    assert "did not answer within 0.5 s" in health.json()["influxdb"]
    assert Counter(refused) == {503: 200 - MOST_WAITING}
    answer = requests.get(address + PANEL, timeout=SOON_S)
    assert (answer.status_code, answer.json()) == (503, {"error": "busy: too many requests are waiting for InfluxDB"})
