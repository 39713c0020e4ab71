"""The built-in dashboard's web server: one page, and its data as JSON."""

import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import bottle
import requests
import waitress
from influxdb.exceptions import InfluxDBClientError, InfluxDBServerError

from sensorpi.common.daemon import service
from sensorpi.common.daemon.outage import Outage
from sensorpi.common.errors import UserError
from sensorpi.pipeline.dashboard.data import DashboardData
from sensorpi.pipeline.dashboard.model import Dashboard, load_dashboards
from sensorpi.pipeline.dashboard.query import ALL_HOSTS, UnknownHostError
from sensorpi.pipeline.dashboard.range import RangeError, TimeRange, parse_range
from sensorpi.pipeline.influx.client import READER, Endpoint, open_client

#: A WSGI application.
Wsgi = Callable[..., Iterable[bytes]]

_log = logging.getLogger(__name__)

#: The charting library of Debian's libjs-chart.js.
CHART_JS = Path("/usr/share/javascript/chart.js")
THREADS = 8
QUERY_TIMEOUT_S = 20.0
_WATCHDOG_S = 10.0

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class DashboardServer:
    """The HTTP server: parses what a browser sends, and reports errors as one line of JSON."""

    def __init__(
        self,
        dashboards: dict[str, Dashboard],
        influxdb: Endpoint,
        reader_password: str,
        chart_js: Path = CHART_JS,
        default_range: tuple[str, str] | None = None,
    ) -> None:
        """``default_range`` (from, to) is shown first; if it is None, the dashboard file's own range is."""
        self._dashboards = dashboards
        self._influxdb = influxdb
        self._data = DashboardData(open_client(influxdb, READER, reader_password, QUERY_TIMEOUT_S))
        self._chart_js = chart_js
        self._default_range = default_range
        self._outage = Outage(f"InfluxDB at {influxdb}", _log)
        self._outage_lock = threading.Lock()
        self.app = _with_headers(self._routes())

    def _routes(self) -> bottle.Bottle:
        app = bottle.Bottle()
        app.route("/", callback=lambda: self._web_file("index.html"))
        app.route("/web/<name:re:[a-z_]+\\.(?:js|css|svg)>", callback=self._web_file)
        app.route("/chart.js", callback=lambda: bottle.static_file("chart.min.js", root=self._chart_js))
        app.route("/healthz", callback=self._healthz)
        app.route("/api/dashboards", callback=self._list)
        app.route("/api/hosts", callback=lambda: self._answer(self._hosts))
        app.route("/api/events", callback=lambda: self._answer(self._events))
        app.route("/api/panel", callback=lambda: self._answer(self._panel))
        app.default_error_handler = _error
        return app

    def _web_file(self, name: str) -> bottle.HTTPResponse:
        return bottle.static_file(name, root=str(files(__package__).joinpath("web")))

    def _ping(self) -> dict[str, object]:
        self._data.ping()
        return {}

    def _healthz(self) -> dict[str, str]:
        """200 as long as the dashboard itself works; the body tells whether InfluxDB does."""
        try:
            self._answer(self._ping)
        except bottle.HTTPError as error:
            return {"dashboard": "ok", "influxdb": str(error.body)}
        return {"dashboard": "ok", "influxdb": "ok"}

    def _list(self) -> dict[str, Any]:
        return {
            "dashboards": [
                {**dashboard.describe(), "range": self._default_range or (dashboard.start, dashboard.end)}
                for dashboard in self._dashboards.values()
            ]
        }

    def _hosts(self) -> dict[str, Any]:
        return {"hosts": self._data.hosts(self._dashboard())}

    def _events(self) -> dict[str, Any]:
        return {"events": self._data.events(self._dashboard(), _range())}

    def _panel(self) -> dict[str, Any]:
        dashboard = self._dashboard()
        panel = dashboard.panel(_number("panel"))
        if panel is None:
            raise bottle.HTTPError(404, f"dashboard {dashboard.uid} does not have this panel")
        host = bottle.request.query.getunicode("host", ALL_HOSTS)
        return self._data.panel(dashboard, panel, _range(), host, _number("width", 600))

    def _dashboard(self) -> Dashboard:
        dashboard = self._dashboards.get(bottle.request.query.getunicode("dashboard", ""))
        if dashboard is None:
            raise bottle.HTTPError(404, f"no such dashboard: expected one of {', '.join(self._dashboards)}")
        return dashboard

    def _answer(self, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What ``ask`` returns. Its exceptions become HTTP errors with one line."""
        try:
            answer = ask()
        except (RangeError, UnknownHostError) as error:
            raise bottle.HTTPError(400, str(error)) from None
        except InfluxDBClientError as error:
            refused = error.code in (401, 403)
            run = "run sensorpi pipeline set-up again"
            reason = f"refuses the dashboard's user: {run}" if refused else f"refuses the query: {error}"
            raise self._influxdb_failed(502, reason) from None
        except requests.Timeout:
            raise self._influxdb_failed(504, f"did not answer within {QUERY_TIMEOUT_S:.0f} s") from None
        except (InfluxDBServerError, requests.RequestException):
            raise self._influxdb_failed(503, "does not answer: is it running?") from None
        with self._outage_lock:
            self._outage.succeeded()
        return answer

    def _influxdb_failed(self, status: int, reason: str) -> bottle.HTTPError:
        with self._outage_lock:
            self._outage.failed(reason)  # logged once; the page itself retries
        return bottle.HTTPError(status, f"InfluxDB at {self._influxdb} {reason}")


def _with_headers(app: Wsgi) -> Wsgi:
    """The same application with _HEADERS in all of its responses."""

    def wrapped(environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, *_HEADERS.items()], *more)

        return app(environ, start)

    return wrapped


def _number(name: str, default: int | None = None) -> int:
    text = bottle.request.query.getunicode(name, "")
    if not text and default is not None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise bottle.HTTPError(400, f"{name} must be a whole number")
    return int(text)


def _range() -> TimeRange:
    query = bottle.request.query
    return parse_range(query.getunicode("from", ""), query.getunicode("to", "now"), time.time_ns() // 1_000_000)


def _error(error: bottle.HTTPError) -> str:
    if error.exception is not None:
        _log.error("a request failed: %s %s", bottle.request.path, error.traceback)
    bottle.response.content_type = "application/json"
    line = str(error.body) if error.exception is None else "internal error: see the dashboard's log"
    return json.dumps({"error": line})


def serve(
    listen: Endpoint,
    influxdb: Endpoint,
    reader_password: str,
    dashboards: Path,
    chart_js: Path = CHART_JS,
    default_range: tuple[str, str] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Serve the dashboard files in folder ``dashboards`` until ``stop`` is set (by default by SIGTERM or SIGINT).

    Raises UserError when the address is in use, a file is not valid or the charting library is missing.
    """
    if not (chart_js / "chart.min.js").is_file():
        raise UserError(f"{chart_js}/chart.min.js is missing: apt install libjs-chart.js")
    site = DashboardServer(load_dashboards(dashboards), influxdb, reader_password, chart_js, default_range)
    stop = stop or service.stop_on_signals()
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns, as a page requests all panels at once
    listening = _listening(listen)
    address = listening.getsockname()
    server = waitress.create_server(site.app, sockets=[listening], threads=THREADS, ident=None)
    thread = threading.Thread(target=server.run, name="dashboard", daemon=True)
    thread.start()
    _log.info("The dashboard is at http://%s/", listen)
    service.notify(ready=True, status=f"Serving on http://{listen}/")
    while not stop.wait(_WATCHDOG_S):
        if _serves(address[0], address[1]):
            service.notify(watchdog=True)
    service.notify(stopping=True)
    server.close()


def _listening(listen: Endpoint) -> socket.socket:
    host = listen.host.strip("[]")
    try:
        return socket.create_server((host, listen.port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise UserError(f"cannot listen on {listen}: {error.strerror or error}") from error


def _serves(host: str, port: int) -> bool:
    """Whether the server really answers, for the watchdog."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/api/dashboards")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
