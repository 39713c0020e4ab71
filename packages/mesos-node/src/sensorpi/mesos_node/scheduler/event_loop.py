"""The leader's event loop: gives the core its inputs, stores its state in ZooKeeper, makes its calls to Mesos.

Everything that happens is put in one queue. One thread takes it from there, gives it to the core, stores the state, and
only then makes the calls.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from kazoo.client import KazooClient

from sensorpi.common.cluster.secrets import SCHEDULER_API, password
from sensorpi.common.daemon import service
from sensorpi.common.daemon.outage import Outage
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.mesos.calls import Call
from sensorpi.mesos_node.mesos.client import SchedulerClient
from sensorpi.mesos_node.mesos.errors import FrameworkFailedOverError, FrameworkRemovedError, MesosError
from sensorpi.mesos_node.mesos.master_detector import MasterDetector
from sensorpi.mesos_node.mesos.sandbox import find_sandbox
from sensorpi.mesos_node.scheduler.api import ApiServer
from sensorpi.mesos_node.scheduler.core.state_machine import Core
from sensorpi.mesos_node.scheduler.core.view import logged_task, status
from sensorpi.mesos_node.scheduler.framework import Options, framework_info
from sensorpi.mesos_node.scheduler.replicas import what_is_not_in_sync
from sensorpi.mesos_node.scheduler.store import Store, StoreConflict, StoreUnavailable

_log = logging.getLogger(__name__)

_WATCHDOG_S = 20.0
_ASK_REPLICAS_S = 3.0
_REQUEST_S = 15.0
_SHORTEST_WAIT_S = 0.05
_LONGEST_RETRY_S = 5.0

T = TypeVar("T")

#: Takes the time, gives the core its input, returns the calls to make.
Input = Callable[[float], list[Call]]

#: Takes the time, asks the core or gives it an input, returns the answer and the calls to make.
Request = Callable[[float], tuple[T, list[Call]]]


class EventLoop:
    """What a scheduler does while it is the leader."""

    def __init__(
        self,
        options: Options,
        zookeeper: KazooClient,
        store: Store,
        core: Core,
        stop: threading.Event,
        step_down: Callable[[str], None],
    ) -> None:
        """``core`` has the state that ``store`` has loaded; ``step_down`` sets ``stop`` and takes the reason."""
        self._options = options
        self._stop, self._step_down = stop, step_down
        self._store = store
        self._outage = Outage("The state in ZooKeeper", _log)
        self._inputs: queue.SimpleQueue[Input] = queue.SimpleQueue()
        self._asking_replicas: threading.Thread | None = None
        self._asked_replicas_s = 0.0
        self._detector = MasterDetector(zookeeper)
        self._core = core
        self._client = SchedulerClient(
            framework_info(options),
            self._detector.detect,
            lambda event: self._inputs.put(lambda now_s: self._core.handle(event, now_s)),
            framework_id=self._core.state.framework_id,
            on_disconnect=lambda _reason: self._inputs.put(self._disconnected),
        )

    def run(self) -> None:
        """Work until ``stop`` is set."""
        cluster = self._options.cluster
        host = cluster.connect_address(self._options.node).strip("[]")
        token = password(self._options.key, SCHEDULER_API)
        api = ApiServer(host, cluster.mesos.api_port, token, self._answer)
        _log.info("This scheduler is the leader; its API listens on %s port %d", host, api.address[1])
        for target in (self._subscribe, self._watch_masters, self._wake_at_stop):
            threading.Thread(target=target, name=target.__name__, daemon=True).start()
        self._inputs.put(self._declare)
        try:
            while not self._stop.is_set():
                self._step()
                service.notify(ready=True, watchdog=True, status=self._status_line())
            service.notify(stopping=True)
        finally:
            api.close()

    def _step(self) -> None:
        """Wait for the next input, or for the time when something is due, and carry it out."""
        now_s = time.time()
        longest_s = _ASK_REPLICAS_S if self._core.wants_in_sync else _WATCHDOG_S
        try:
            take = self._inputs.get(timeout=min(longest_s, max(_SHORTEST_WAIT_S, self._core.next_s(now_s) - now_s)))
        except queue.Empty:
            take = self._core.tick
        calls = take(time.time())
        if self._save():
            self._make(calls)
        self._ask_replicas()

    def _save(self) -> bool:
        """Store the state, however long it takes; False when this scheduler stops or steps down before."""
        while True:
            try:
                self._store.save(self._core.state)
            except StoreConflict as error:
                self._step_down(str(error))
                return False
            except StoreUnavailable as error:
                service.notify(watchdog=True, status="waiting for ZooKeeper")
                if self._stop.wait(min(self._outage.failed(error), _LONGEST_RETRY_S)):
                    return False
            else:
                self._outage.succeeded()
                return True

    def _make(self, calls: list[Call]) -> None:
        for kind, body in calls:
            try:
                self._client.call(kind, body)
            except MesosError as error:  # reconciliation shows what came of it
                _log.info("%s: %s", kind, error)

    def _declare(self, _now_s: float) -> list[Call]:
        self._core.declare()
        for line in self._core.what_fits_nowhere():
            _log.error("%s", line)
        return []

    def _disconnected(self, _now_s: float) -> list[Call]:
        self._core.disconnected()
        return []

    def _framework_removed(self, _now_s: float) -> tuple[None, list[Call]]:
        self._core.framework_removed()
        return None, []

    # The other threads.

    def _subscribe(self) -> None:
        while not self._stop.is_set():
            try:
                self._client.run(self._stop)
                return
            except FrameworkRemovedError as error:
                _log.error("%s: all tasks have been ended; they are launched again", error)
                self._ask(self._framework_removed, None)
                self._client.forget_framework()
            except FrameworkFailedOverError as error:
                self._step_down(str(error))
            except Exception:
                _log.exception("The subscription failed")
                self._step_down("the subscription failed")

    def _watch_masters(self) -> None:
        self._detector.watch(self._client.master_changed)

    def _wake_at_stop(self) -> None:
        self._stop.wait()
        self._inputs.put(lambda _now_s: [])

    def _ask_replicas(self) -> None:
        """Start to ask Kafka what a rolling restart needs to know; the answer is an input."""
        asking = self._asking_replicas is not None and self._asking_replicas.is_alive()
        if asking or not self._core.wants_in_sync or time.monotonic() < self._asked_replicas_s + _ASK_REPLICAS_S:
            return
        self._asked_replicas_s = time.monotonic()
        ids = [each.broker_id for each in self._core.state.brokers() if each.active and each.broker_id is not None]

        def ask() -> None:
            answer = what_is_not_in_sync(self._options.cluster, ids)
            self._inputs.put(lambda now_s: self._core.told_in_sync(answer, now_s))

        self._asking_replicas = threading.Thread(target=ask, name="replicas", daemon=True)
        self._asking_replicas.start()

    def _ask(self, request: Request[T], timeout_s: float | None) -> T:
        """Have the loop's thread answer, after it has stored what the request changed.

        Raises ``UserError`` as the request does, and after ``timeout_s``; None waits without limit.
        """
        answer: Future[T] = Future()

        def take(now_s: float) -> list[Call]:
            try:
                result, calls = request(now_s)
            except Exception as error:
                answer.set_exception(error)
                return []
            if self._save():
                answer.set_result(result)
            return calls

        self._inputs.put(take)
        try:
            return answer.result(timeout=timeout_s)
        except TimeoutError:
            raise UserError("the scheduler cannot reach ZooKeeper: the change may or may not be stored") from None

    def _answer(self, name: str, given: dict[str, Any]) -> Any:
        """Answer a request of the API."""
        if name == "status":
            return self._ask(lambda _now_s: (self._status(), []), _REQUEST_S)
        if name == "log":
            return self._log_of(given["name"], given.get("file", "stdout"))
        _log.info("Command: %s %s", name, given)

        def command(now_s: float) -> tuple[dict[str, Any], list[Call]]:
            names, calls = self._core.command(name, given, now_s)
            return {"workloads": names}, calls

        return self._ask(command, _REQUEST_S)

    def _log_of(self, name: str, file: str) -> dict[str, Any]:
        task = self._ask(lambda _now_s: (logged_task(self._core, name), []), _REQUEST_S)
        if file not in ("stdout", "stderr"):
            raise UserError(f'"{file}": expected stdout or stderr')
        text = find_sandbox(task.agent, task.framework_id, task.task_id).tail(file)
        return {"task": task.task_id, "file": file, "text": text}

    def _status(self) -> dict[str, Any]:
        return status(self._core, self._client.master)

    def _status_line(self) -> str:
        shown = self._status()
        running = sum(each["state"] == "running" for each in shown["brokers"])
        job = shown["job"]["state"] if shown["job"] else "none"
        master = f"Mesos master {shown['master']}" if shown["master"] else "waiting for a Mesos master"
        return f"{running} of {len(shown['brokers'])} brokers run, job: {job}; {master}"
