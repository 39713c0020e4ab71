"""A framework that runs in the background and collects what the client reports, for a test to wait on."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from sensorpi.mesos_node.mesos.client import SchedulerClient

_PATIENCE_S = 20.0

Event = dict[str, Any]


class Framework:
    """One ``SchedulerClient`` with its ``run`` on a thread of its own, within a ``with``."""

    def __init__(
        self,
        framework_info: Event,
        detect_master: Callable[[], str | None],
        framework_id: str | None = None,
        on_event: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        """``on_event`` is called before an event is collected."""
        self.client = SchedulerClient(
            framework_info, detect_master, self._take, framework_id=framework_id, on_disconnect=self._disconnected
        )
        self.events: list[Event] = []
        self.disconnects: list[str] = []
        self._also = on_event
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(4)
        self.outcome: Future[None] = Future()

    def __enter__(self) -> Self:
        self.outcome = self._pool.submit(self.client.run, self._stop)
        self.outcome.add_done_callback(lambda _outcome: self._notify())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        self._pool.shutdown()

    def stop(self) -> None:
        """Ask ``run`` to end."""
        self._stop.set()

    def call(self, type: str, body: Event | None = None) -> "Future[None]":  # noqa: A002
        """Make a call from another thread."""
        return self._pool.submit(self.client.call, type, body)

    def wait_for(self, condition: Callable[[], Any], what: str = "", patience_s: float = _PATIENCE_S) -> Any:
        """Wait until the condition is true after an event, and return its result."""
        deadline = time.monotonic() + patience_s
        with self._changed:
            while not (result := condition()):
                assert self._changed.wait(deadline - time.monotonic()), f"{what or condition}; got {self.events}"
            return result

    def wait_for_events(self, count: int) -> Event:
        """Wait for that many events, and return the last of them."""
        self.wait_for(lambda: len(self.events) >= count, f"{count} events")
        return self.events[count - 1]

    def statuses(self, task_id: str) -> list[Event]:
        """The statuses of a task, in order."""
        updates = [event["update"]["status"] for event in self.events if event["type"] == "UPDATE"]
        return [status for status in updates if status["task_id"]["value"] == task_id]

    def states(self, task_id: str) -> list[str]:
        """The states that a task went through, in order."""
        return [status["state"] for status in self.statuses(task_id)]

    def _take(self, event: Event) -> None:
        self._also(event)
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def _disconnected(self, reason: str) -> None:
        with self._changed:
            self.disconnects.append(reason)
            self._changed.notify_all()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
