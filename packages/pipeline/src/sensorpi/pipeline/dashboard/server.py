"""The built-in dashboard's web server: one page, and its data as JSON."""

import hmac
import http.client
import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import bottle
import requests
from influxdb.exceptions import InfluxDBClientError, InfluxDBServerError

from sensorpi.common.daemon import service
from sensorpi.common.daemon.http_server import HttpServer, Wsgi
from sensorpi.common.daemon.outage import Outage
from sensorpi.common.errors import UserError
from sensorpi.pipeline.dashboard.data import DashboardData
from sensorpi.pipeline.dashboard.model import Dashboard, load_dashboards
from sensorpi.pipeline.dashboard.query import ALL_HOSTS, UnknownHostError
from sensorpi.pipeline.dashboard.range import RangeError, TimeRange, parse_range
from sensorpi.pipeline.influx.client import READER, Endpoint, open_client

_log = logging.getLogger(__name__)

#: The charting library of Debian's libjs-chart.js.
CHART_JS = Path("/usr/share/javascript/chart.js")
#: Who logs in with the page's password.
PAGE_USER = "sensorpi"
THREADS = 64
#: Queries that InfluxDB is sent at a time, and requests that may wait for it. The other threads serve the page itself.
MOST_QUERIES = 8
MOST_WAITING = 48
QUERY_TIMEOUT_S = 20.0
#: /healthz waits for InfluxDB no longer than this, and asks it no more often.
_PROBE_S = 0.5
#: Three times the page's slowest refresh, so that its connections stay open.
_REQUEST_S = 30
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
        page_password: str | None = None,
    ) -> None:
        """``default_range`` (from, to) is shown first; if it is None, the dashboard file's own range is.

        With a ``page_password``, all but /healthz is answered to ``PAGE_USER`` with this password only.
        """
        self._dashboards = dashboards
        self._influxdb = influxdb
        self._data = DashboardData(open_client(influxdb, READER, reader_password, QUERY_TIMEOUT_S))
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)
        self._queries = threading.BoundedSemaphore(MOST_QUERIES)
        self._probe = _Probe(influxdb, reader_password)
        self._chart_js = chart_js
        self._default_range = default_range
        self._outage = Outage(f"InfluxDB at {influxdb}", _log)
        self._outage_lock = threading.Lock()
        self._page_password = page_password
        self.app = _with_headers(self._routes())

    def _routes(self) -> bottle.Bottle:
        app = bottle.Bottle()
        app.add_hook("before_request", self._check_password)
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

    def _check_password(self) -> None:
        if self._page_password is None or bottle.request.path == "/healthz":
            return
        user, given = bottle.request.auth or ("", "")
        right = hmac.compare_digest((given or "").encode(), self._page_password.encode())
        if user != PAGE_USER or not right:
            error = bottle.HTTPError(401, f"this dashboard asks for the password of user {PAGE_USER}")
            error.add_header("WWW-Authenticate", 'Basic realm="sensorpi", charset="UTF-8"')
            raise error

    def _web_file(self, name: str) -> bottle.HTTPResponse:
        return bottle.static_file(name, root=str(files(__package__).joinpath("web")))

    def _healthz(self) -> dict[str, str]:
        """200 as long as the dashboard itself works; the body tells whether InfluxDB does."""
        return {"dashboard": "ok", "influxdb": self._probe.state()}

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
            with _held(self._waiting, 0), _held(self._queries, QUERY_TIMEOUT_S):
                answer = ask()
        except (RangeError, UnknownHostError) as error:
            raise bottle.HTTPError(400, str(error)) from None
        except (InfluxDBClientError, InfluxDBServerError, requests.RequestException) as error:
            raise self._influxdb_failed(*_reason(error)) from None
        with self._outage_lock:
            self._outage.succeeded()
        return answer

    def _influxdb_failed(self, status: int, reason: str) -> bottle.HTTPError:
        with self._outage_lock:
            self._outage.failed(reason)  # logged once; the page itself retries
        return bottle.HTTPError(status, f"InfluxDB at {self._influxdb} {reason}")


class _Probe:
    """Whether InfluxDB answers the dashboard's user, for /healthz: quick whatever InfluxDB does."""

    def __init__(self, influxdb: Endpoint, reader_password: str) -> None:
        self._influxdb = influxdb
        self._data = DashboardData(open_client(influxdb, READER, reader_password, _PROBE_S))
        self._lock = threading.Lock()
        self._state = "not asked yet"
        self._asked_s = -math.inf

    def state(self) -> str:
        """``ok``, or what is wrong; the last answer while another thread is asking."""
        if self._lock.acquire(timeout=_PROBE_S):
            try:
                if time.monotonic() - self._asked_s > _PROBE_S:
                    self._state = self._ask()
                    self._asked_s = time.monotonic()
            finally:
                self._lock.release()
        return self._state

    def _ask(self) -> str:
        try:
            self._data.ping()
        except requests.Timeout:
            return f"InfluxDB at {self._influxdb} did not answer within {_PROBE_S} s"
        except (InfluxDBClientError, InfluxDBServerError, requests.RequestException) as error:
            return f"InfluxDB at {self._influxdb} {_reason(error)[1]}"
        return "ok"


@contextmanager
def _held(places: threading.BoundedSemaphore, timeout_s: float) -> Iterator[None]:
    """One of the ``places``. Raises HTTPError if none is free in time."""
    if not places.acquire(timeout=timeout_s):
        raise bottle.HTTPError(503, "busy: too many requests are waiting for InfluxDB")
    try:
        yield
    finally:
        places.release()


def _reason(error: Exception) -> tuple[int, str]:
    """The HTTP status and the reason for an error of InfluxDB's client."""
    if isinstance(error, InfluxDBClientError):
        if error.code in (401, 403):
            return 502, "refuses the dashboard's user: run sensorpi pipeline set-up again"
        return 502, f"refuses the query: {error}"
    if isinstance(error, requests.Timeout):
        return 504, f"did not answer within {QUERY_TIMEOUT_S:.0f} s"
    return 503, "does not answer: is it running?"


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
    page_password: str | None = None,
) -> None:
    """Serve the dashboard files in folder ``dashboards`` until ``stop`` is set (by default by SIGTERM or SIGINT).

    Raises UserError when the address is in use, a file is not valid or the charting library is missing.
    """
    if not (chart_js / "chart.min.js").is_file():
        raise UserError(f"{chart_js}/chart.min.js is missing: apt install libjs-chart.js")
    site = DashboardServer(
        load_dashboards(dashboards), influxdb, reader_password, chart_js, default_range, page_password
    )
    stop = stop or service.stop_on_signals()
    server = HttpServer(site.app, listen.host, listen.port, threads=THREADS, request_s=_REQUEST_S)
    _log.info("The dashboard is at http://%s/", listen)
    service.notify(ready=True, status=f"Serving on http://{listen}/")
    while not stop.wait(_WATCHDOG_S):
        if _serves(*server.address):
            service.notify(watchdog=True)
    service.notify(stopping=True)
    server.close()


def _serves(host: str, port: int) -> bool:
    """Whether the server really answers, for the watchdog."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
