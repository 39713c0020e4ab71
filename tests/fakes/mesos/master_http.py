"""The master's HTTP: the scheduler API, the agents' links, /state, and redirects to the leader."""

import json
import queue
import select
import threading
import time
from contextlib import suppress
from typing import Any

from .link import Link
from .master import Events, Master
from .model import Framework, Json
from .web import Handler

_HEARTBEAT_S = 15.0

_API = ("/api/v1/scheduler", "/master/api/v1/scheduler")
_CALLS = frozenset(
    ("ACCEPT", "DECLINE", "SUPPRESS", "REVIVE", "ACKNOWLEDGE", "RECONCILE", "KILL", "TEARDOWN", "SUBSCRIBE")
)
_WITHOUT_BODY = frozenset(("TEARDOWN", "SUPPRESS", "REVIVE"))


def _missing_fields(accept: Json) -> list[str]:
    """The required fields of an executor that an ACCEPT leaves out."""
    return [
        f"accept.operations[{number}].launch.task_infos[{index}].executor.executor_id"
        for number, operation in enumerate(accept["accept"].get("operations", []))
        for index, info in enumerate(operation.get("launch", {}).get("task_infos", []))
        if "executor" in info and "executor_id" not in info["executor"]
    ]


class Place:
    """The master of this process, and the leader; shared by all its connections."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self.leader: Json | None = None
        self.serving = False
        #: A leader answers /state at once, and calls only after it has read its registry.
        self.recovered = False


class MasterHandler(Handler):
    """One connection to a master; ``place`` is set on the class."""

    place: Place

    def get(self, path: str, parameters: dict[str, str]) -> None:
        """The operators' endpoints."""
        endpoint = path if path.startswith("/master/") else f"/master{path}"
        if path in ("/health", "/master/health"):
            self.answer(200)
        elif path in ("/version",):
            self.json({"version": self.place.master.info["version"]})
        elif path in ("/metrics/snapshot",):
            self.json({"master/elected": float(self.place.serving)})
        elif endpoint == "/master/redirect":
            self._redirect("")
        elif endpoint not in ("/master/state", "/master/slaves", "/master/frameworks"):
            self.answer(404)
        elif not self.place.serving:
            self._redirect(endpoint)
        else:
            self.json(self.place.master.state())

    def post(self, path: str, body: bytes) -> None:
        """Take a framework's call, or an agent's link."""
        if path not in (*_API, "/agent"):
            self.answer(404)
        elif not self.place.serving:
            self._redirect("/master/api/v1/scheduler" if path in _API else path)
        elif not self.place.recovered:
            self.text(503, "Master has not finished recovery")
        elif path == "/agent":
            self._serve_agent()
        else:
            self._scheduler(body)

    def _redirect(self, path: str) -> None:
        leader = self.place.leader
        if leader is None:
            self.text(503, "No leader elected")
        else:
            self.answer(307, location=f"//{leader['hostname']}:{leader['port']}{path}")

    def _scheduler(self, body: bytes) -> None:
        text = body.decode("utf-8", errors="replace")
        try:
            call = json.loads(text)
        except json.JSONDecodeError as error:
            near = text[error.pos :]
            self.text(400, f"Failed to parse body into JSON: syntax error at line {error.lineno} near: {near}")
            return
        kind = call.get("type")
        fault = None
        if kind not in _CALLS:
            fault = "Expecting 'type' to be present"
        elif kind not in _WITHOUT_BODY and kind.lower() not in call:
            fault = f"Expecting '{kind.lower()}' to be present"
        elif kind != "SUBSCRIBE" and "framework_id" not in call:
            fault = "Expecting 'framework_id' to be present"
        missing = _missing_fields(call) if kind == "ACCEPT" and fault is None else []
        if fault is not None:
            self.text(400, f"Failed to validate scheduler::Call: {fault}")
        elif missing:
            self.text(400, f"Failed to convert JSON into Call protobuf: Missing required fields: {', '.join(missing)}")
        elif kind == "SUBSCRIBE":
            self._subscribe(call["subscribe"]["framework_info"], call.get("framework_id", {}).get("value"))
        else:
            self._call(call, kind)

    def _call(self, call: Json, kind: str) -> None:
        identifier, stream_id = call["framework_id"]["value"], self.headers.get("Mesos-Stream-Id")
        with self.place.master.lock:
            framework = self.place.master.frameworks.get(identifier)
            if framework is None:
                self.text(400, "Framework cannot be found")
            elif not framework.connected:
                self.text(403, "Framework is not subscribed")
            elif stream_id is None:
                self.text(400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header")
            elif stream_id != framework.stream_id:
                text = f"The stream ID '{stream_id}' included in this request didn't match the stream ID currently"
                self.text(400, f"{text} associated with framework ID {identifier}")
            else:
                self.place.master.call(framework, kind, call.get(kind.lower(), {}))
                self.answer(202)

    def _subscribe(self, info: Json, framework_id: str | None) -> None:
        framework, events, stream_id = self.place.master.subscribe(info, framework_id)
        self.begin(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Mesos-Stream-Id", stream_id)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.close_connection = True
        if framework is not None:
            threading.Thread(target=self._notice_end, args=(events,), daemon=True).start()
        try:
            if self._send(events, framework):
                self.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass
        finally:
            if framework is not None:
                self.place.master.disconnected(framework, stream_id)

    def _send(self, events: Events, framework: Framework | None) -> bool:
        """Send events until the master ends the stream (True) or the framework has disconnected (False)."""
        heartbeat_at = None
        while True:
            wait_s = None if heartbeat_at is None else max(0.0, heartbeat_at - time.monotonic())
            try:
                event = events.get(timeout=wait_s)
            except queue.Empty:
                heartbeat_at = (heartbeat_at or 0.0) + _HEARTBEAT_S
                self._frame({"type": "HEARTBEAT"})
                continue
            if event is None or event["type"] == "GONE":
                return event is None
            self._frame(event)
            if event["type"] == "SUBSCRIBED" and framework is not None:
                heartbeat_at = time.monotonic() + _HEARTBEAT_S
                self._frame({"type": "HEARTBEAT"})
                with self.place.master.lock:
                    self.place.master.offers.allocate()

    def _frame(self, event: Json) -> None:
        record = json.dumps(event, separators=(",", ":")).encode()
        frame = b"%d\n%b" % (len(record), record)
        self.wfile.write(b"%x\r\n%b\r\n" % (len(frame), frame))

    def _notice_end(self, events: Events) -> None:
        """Wait until the framework closes the connection, on which it sends nothing more."""
        with suppress(OSError, ValueError):
            select.select([self.connection], [], [])
        events.put({"type": "GONE"})

    def _serve_agent(self) -> None:
        self.begin(101)
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        link, ended = Link(self.connection), threading.Event()
        agents: list[Any] = []

        def take(message: Json) -> None:
            if "register" in message:
                agents[:] = [self.place.master.register(link, message["register"])]
            elif "update" in message and agents:
                self.place.master.update(agents[0], message["update"])
            elif "pong" in message and agents:
                self.place.master.pong(agents[0])

        def end() -> None:
            if agents:
                self.place.master.agent_disconnected(agents[0], link)
            ended.set()

        link.start(take, end)
        ended.wait()
