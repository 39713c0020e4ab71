"""Talks to Mesos without our client, as the recordings were made, and records its answers."""

import http.client
import json
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sensorpi.mesos_node.mesos.recordio import Decoder

SCHEDULER = "/api/v1/scheduler"

Json = dict[str, Any]
Answer = tuple[int, dict[str, str], str]

_PATIENCE_S = 40.0
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def ask(address: str, path: str, body: Json | str | None = None, stream_id: str | None = None) -> Answer:
    """The answer to one request: a POST with a body, a GET without."""
    connection = http.client.HTTPConnection(address, timeout=20)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    headers |= {"Mesos-Stream-Id": stream_id} if stream_id else {}
    try:
        content = body if isinstance(body, str) or body is None else json.dumps(body)
        connection.request("GET" if body is None else "POST", path, content, headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read().decode()
    finally:
        connection.close()


class Subscription:
    """One SUBSCRIBE and its events; acknowledges every status that must be."""

    def __init__(self, address: str, info: Json, framework_id: str | None = None) -> None:
        self.address = address
        request: Json = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        if framework_id is not None:
            request["subscribe"]["framework_info"] = info | {"id": {"value": framework_id}}
            request["framework_id"] = {"value": framework_id}
        self._connection = http.client.HTTPConnection(address, timeout=_PATIENCE_S)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        self._connection.request("POST", SCHEDULER, json.dumps(request), headers)
        self._response = self._connection.getresponse()
        self.status, self.headers = self._response.status, dict(self._response.getheaders())
        self.events: list[Json] = []
        self.ended_with: str | None = None
        self._changed = threading.Condition()
        if self.status == 200:
            threading.Thread(target=self._read, daemon=True).start()
        else:
            self._connection.close()

    @property
    def framework_id(self) -> str:
        """The id that the master has assigned."""
        return str(self.first("SUBSCRIBED")["subscribed"]["framework_id"]["value"])

    def call(self, kind: str, body: Json | None = None) -> Answer:
        """Make one call of this framework."""
        request: Json = {"type": kind, **({} if body is None else {kind.lower(): body})}
        request["framework_id"] = {"value": self.framework_id}
        return ask(self.address, SCHEDULER, request, self.headers["Mesos-Stream-Id"])

    def first(self, kind: str) -> Json:
        """The first event of this kind; waits for it."""
        self.wait(lambda: any(event["type"] == kind for event in self.events), kind)
        return next(event for event in self.events if event["type"] == kind)

    def statuses(self, task_id: str) -> list[Json]:
        """The statuses of one task, in order."""
        updates = [event["update"]["status"] for event in self.events if event["type"] == "UPDATE"]
        return [each for each in updates if each["task_id"]["value"] == task_id]

    def offers(self) -> list[Json]:
        """Each offer, in order."""
        return [each for event in self.events if event["type"] == "OFFERS" for each in event["offers"]["offers"]]

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until the condition is true after an event."""
        deadline = time.monotonic() + _PATIENCE_S
        with self._changed:
            while not condition():
                assert self._changed.wait(deadline - time.monotonic()), f"{what}: {self.events}"

    def wait_for_state(self, task_id: str, state: str) -> None:
        """Wait until the task's last status has this state."""
        self.wait(lambda: [s["state"] for s in self.statuses(task_id)][-1:] == [state], f"{task_id} {state}")

    def _read(self) -> None:
        decoder, ended_with = Decoder(), "end"
        try:
            while data := self._response.read1(65536):
                for record in decoder.feed(data):
                    event = json.loads(record)
                    assert len(json.dumps(event, separators=(",", ":"))) == len(record)
                    with self._changed:
                        self.events.append(event)
                        self._changed.notify_all()
                    self._acknowledge(event)
        except (OSError, http.client.HTTPException) as error:
            ended_with = type(error).__name__
        with self._changed:
            self.ended_with = ended_with
            self._changed.notify_all()
        self._connection.close()

    def _acknowledge(self, event: Json) -> None:
        if event["type"] == "UPDATE" and "uuid" in (status := event["update"]["status"]):
            with suppress(OSError):
                self.call("ACKNOWLEDGE", {name: status[name] for name in ("agent_id", "task_id", "uuid")})


def normal(value: Any, first_port: int, key: str = "") -> Any:
    """The value without what differs from one conversation to the next, with the same order and types.

    ``first_port`` is the agent's first one on offer, for which the recordings have 31000.
    """
    shift = first_port - 31000
    if isinstance(value, dict):
        return {name: normal(each, first_port, name) for name, each in value.items()}
    if isinstance(value, list):
        return [normal(each, first_port, key) for each in value]
    if isinstance(value, str):
        value = re.sub(r"(127\.0\.0\.1|\*):\d{4,5}\b", r"\1:PORT", _UUID.sub("UUID", value))
        value = re.sub(r"\[(\d+)-(\d+)\]", lambda m: f"[{int(m[1]) - shift}-{int(m[2]) - shift}]", value)
        value = re.sub(r"-([OS])\d+$", r"-\1", value)
        return {"uuid": "BASE64", "Date": "DATE", "mtime": "TIME"}.get(key, value)
    if key in ("begin", "end"):
        return value - shift
    if key in ("timestamp", "executor_pid", "port", "nanoseconds", "mtime"):
        return type(value).__name__
    return value


def text(value: Any, first_port: int = 31000) -> str:
    """The normal form as JSON, to be compared and read."""
    return json.dumps(normal(value, first_port))
