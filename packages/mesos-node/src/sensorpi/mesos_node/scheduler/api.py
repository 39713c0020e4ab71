"""The scheduler's HTTP API: JSON, for holders of the cluster's key. `sensorpi kafka broker` and `sensorpi job` use it.

GET /v1/status; POST /v1/brokers/add, update, remove, start, stop, restart; POST /v1/job/start, stop;
GET /v1/brokers/ID/log, /v1/job/log, /v1/spark/master/log and /v1/spark/worker-N/log. A mistake is answered with 400 and
{"error": one line}.
"""

import hmac
import json
import logging
from collections.abc import Callable
from typing import Any

import bottle

from sensorpi.common.daemon.http_server import HttpServer
from sensorpi.common.errors import UserError

_log = logging.getLogger(__name__)

_THREADS = 2
_LONGEST_REQUEST_BYTES = 65536
#: Our own client waits four times as long.
_REQUEST_S = 5

#: Takes the name of what is asked for and the request's parameters; returns the JSON object, or raises ``UserError``.
Handler = Callable[[str, dict[str, Any]], Any]


class ApiServer:
    """Answers requests in its own threads until it is closed."""

    def __init__(self, host: str, port: int, token: str, handle: Handler) -> None:
        """Raises ``UserError`` when the address cannot be listened on. ``host`` is without brackets."""
        self._token = token.encode()
        self._handle = handle
        self._server = HttpServer(
            self._routes(),
            host,
            port,
            threads=_THREADS,
            request_s=_REQUEST_S,
            longest_request_bytes=_LONGEST_REQUEST_BYTES,
        )
        self.address = self._server.address

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    def _routes(self) -> bottle.Bottle:
        app = bottle.Bottle()
        app.route("/v1/status", callback=lambda: self._answer("status"))
        app.route("/v1/brokers/<number:re:[0-9]{1,4}>/log", callback=self._broker_log)
        app.route("/v1/job/log", callback=lambda: self._answer("log", {"name": "job"}))
        app.route("/v1/spark/<name:re:[a-z0-9-]+>/log", callback=self._spark_log)
        for name in ("add", "update", "remove", "start", "stop", "restart"):
            app.route(f"/v1/brokers/{name}", method="POST", callback=self._poster(f"broker {name}"))
        for name in ("start", "stop"):
            app.route(f"/v1/job/{name}", method="POST", callback=self._poster(f"job {name}"))
        app.default_error_handler = _error
        return app

    def _broker_log(self, number: str) -> dict[str, Any]:
        return self._answer("log", {"name": f"broker-{int(number)}"})

    def _spark_log(self, name: str) -> dict[str, Any]:
        return self._answer("log", {"name": f"spark-{name}"})

    def _poster(self, name: str) -> Callable[[], dict[str, Any]]:
        return lambda: self._answer(name, body=True)

    def _answer(self, name: str, parameters: dict[str, Any] | None = None, *, body: bool = False) -> dict[str, Any]:
        self._check_token()
        given = {**_query(), **(parameters or {}), **(_body() if body else {})}
        try:
            answer: dict[str, Any] = self._handle(name, given)
        except UserError as mistake:
            raise bottle.HTTPError(400, str(mistake)) from None
        return answer

    def _check_token(self) -> None:
        kind, _, given = bottle.request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("latin-1"), self._token):
            raise bottle.HTTPError(401, "the token does not belong to this cluster's key")


def _query() -> dict[str, Any]:
    try:
        return dict(bottle.request.query.decode())
    except UnicodeError:
        raise bottle.HTTPError(400, "the request's parameters are not UTF-8") from None


def _body() -> dict[str, Any]:
    try:
        body = json.loads(bottle.request.body.read() or b"{}")
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise bottle.HTTPError(400, "the request's body is not a JSON object")
    return body


def _error(error: bottle.HTTPError) -> str:
    if error.exception is not None:  # Bottle has written its traceback to standard error
        _log.error("A request failed: %s: %r", bottle.request.path, error.exception)
    bottle.response.content_type = "application/json"
    return json.dumps({"error": str(error.body) if error.exception is None else "internal error: see the log"})
