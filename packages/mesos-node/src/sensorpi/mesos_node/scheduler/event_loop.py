"""The scheduler that leads: carries what the core decides to Mesos, and what it knows to ZooKeeper.

Everything that happens is put in one queue and taken from it by one thread, which asks the core, keeps the state, and
only then makes the calls.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from kazoo.client import KazooClient

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.cluster.secrets import SCHEDULER_API, password
from sensorpi.common.daemon import service
from sensorpi.common.daemon.outage import Outage
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.mesos.calls import Call, Json
from sensorpi.mesos_node.mesos.client import SchedulerClient
from sensorpi.mesos_node.mesos.errors import FrameworkFailedOverError, FrameworkRemovedError, MesosError
from sensorpi.mesos_node.mesos.master_detector import LeaderFinder
from sensorpi.mesos_node.mesos.sandbox import find_sandbox
from sensorpi.mesos_node.scheduler.api import ApiServer
from sensorpi.mesos_node.scheduler.api_requests import perform, task_of
from sensorpi.mesos_node.scheduler.core.needs import fits_nowhere
from sensorpi.mesos_node.scheduler.core.state_machine import Core
from sensorpi.mesos_node.scheduler.core.task_info import Programs
from sensorpi.mesos_node.scheduler.core.view import status
from sensorpi.mesos_node.scheduler.replicas import what_is_not_in_sync
from sensorpi.mesos_node.scheduler.store import NotOurs, Store, StoreAway

_log = logging.getLogger(__name__)

#: The tasks go on for as long as this without any scheduler; then Mesos ends them.
FAILOVER_TIMEOUT_S = 28 * 86400.0

_WATCHDOG_S = 20.0
_ASK_REPLICAS_S = 3.0
_REQUEST_S = 15.0

#: Takes the time, changes the core, returns the calls to make.
Work = Callable[[float], list[Call]]


@dataclass(frozen=True)
class Options:
    """What the scheduler is started with."""

    cluster: Cluster
    node: Node
    key: bytes
    programs: Programs


def framework_info(options: Options) -> Json:
    """How the framework introduces itself."""
    return {
        "user": options.programs.broker_user or "root",
        "name": "sensorpi",
        "hostname": options.node.name,
        "failover_timeout": FAILOVER_TIMEOUT_S,
        "checkpoint": True,
        "roles": ["*"],
        "capabilities": [{"type": each} for each in ("MULTI_ROLE", "PARTITION_AWARE", "TASK_KILLING_STATE")],
    }


class Leader:
    """The scheduler that leads."""

    def __init__(
        self,
        options: Options,
        zookeeper: KazooClient,
        store: Store,
        core: Core,
        stop: threading.Event,
        depose: Callable[[str], None],
    ) -> None:
        """``core`` has the state that ``store`` has loaded; ``depose`` sets ``stop`` and gives the reason."""
        self._options = options
        self._stop, self._depose = stop, depose
        self._store = store
        self._outage = Outage("The state in ZooKeeper", _log)
        self._inbox: queue.SimpleQueue[Work] = queue.SimpleQueue()
        self._asking_replicas: threading.Thread | None = None
        self._asked_replicas_s = 0.0
        self._finder = LeaderFinder(zookeeper)
        self._core = core
        self._client = SchedulerClient(
            framework_info(options),
            self._finder.find_leader,
            lambda event: self._inbox.put(lambda now_s: self._core.handle(event, now_s)),
            framework_id=self._core.state.framework_id,
            on_disconnect=lambda _reason: self._inbox.put(self._disconnected),
        )

    def run(self) -> None:
        """Work until ``stop`` is set."""
        cluster = self._options.cluster
        host = cluster.connect_address(self._options.node).strip("[]")
        token = password(self._options.key, SCHEDULER_API)
        api = ApiServer(host, cluster.mesos.api_port, token, self._request)
        _log.info("This scheduler leads; its API is at %s port %d", host, api.address[1])
        for target in (self._subscribe, self._watch_masters, self._wake_at_stop):
            threading.Thread(target=target, name=target.__name__, daemon=True).start()
        self._inbox.put(self._declare)
        try:
            while not self._stop.is_set():
                self._work()
                service.notify(ready=True, watchdog=True, status=self._status_line())
            service.notify(stopping=True)
        finally:
            api.close()

    def _declare(self, _now_s: float) -> list[Call]:
        self._core.declare()
        needs = self._core.needs()
        wanted = [(each, needs[name]) for name, each in self._core.state.workloads.items() if name in needs]
        hosts = {each.name: (each.cpus, float(each.memory_mb)) for each in self._options.cluster.workers}
        for line in fits_nowhere([each for each in wanted if each[0].active], hosts):
            _log.error("%s", line)
        return []

    def _work(self) -> None:
        now_s = time.time()
        longest_s = _ASK_REPLICAS_S if self._core.wants_in_sync else _WATCHDOG_S
        try:
            work = self._inbox.get(timeout=min(longest_s, max(0.05, self._core.next_s(now_s) - now_s)))
        except queue.Empty:
            work = self._core.tick
        calls = work(time.time())
        if self._keep():
            self._make(calls)
        self._ask_replicas()

    def _keep(self) -> bool:
        """Write the state, for as long as it takes; False when there is no more to be done."""
        while True:
            try:
                self._store.save(self._core.state)
            except NotOurs as error:
                self._depose(str(error))
                return False
            except StoreAway as error:
                service.notify(watchdog=True, status="waiting for ZooKeeper")
                if self._stop.wait(min(self._outage.failed(error), 5.0)):
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

    def _disconnected(self, _now_s: float) -> list[Call]:
        self._core.disconnected()
        return []

    def _subscribe(self) -> None:
        while not self._stop.is_set():
            try:
                self._client.run(self._stop)
                return
            except FrameworkRemovedError as error:
                _log.error("%s: all tasks have been ended; they are launched anew", error)
                self._ask(lambda _now_s: self._core.framework_removed())
                self._client.forget_framework()
            except FrameworkFailedOverError as error:
                self._depose(str(error))
            except Exception:
                _log.exception("The subscription failed")
                self._depose("the subscription failed")

    def _watch_masters(self) -> None:
        self._finder.watch(self._client.leader_changed)

    def _wake_at_stop(self) -> None:
        self._stop.wait()
        self._inbox.put(lambda _now_s: [])

    def _ask_replicas(self) -> None:
        asking = self._asking_replicas is not None and self._asking_replicas.is_alive()
        if asking or not self._core.wants_in_sync or time.monotonic() < self._asked_replicas_s + _ASK_REPLICAS_S:
            return
        self._asked_replicas_s = time.monotonic()
        ids = [each.broker_id for each in self._core.state.brokers() if each.active and each.broker_id is not None]

        def ask() -> None:
            answer = what_is_not_in_sync(self._options.cluster, ids)
            self._inbox.put(lambda now_s: self._core.told_in_sync(answer, now_s))

        self._asking_replicas = threading.Thread(target=ask, name="replicas", daemon=True)
        self._asking_replicas.start()

    def _ask(self, question: Callable[[float], Any]) -> Any:
        """Have the working thread answer, with what it changed kept before. Raises ``UserError`` as it does."""
        answer: Future[Any] = Future()

        def work(now_s: float) -> list[Call]:
            try:
                result = question(now_s)
            except Exception as error:
                answer.set_exception(error)
                return []
            calls = self._core.tick(now_s)
            if self._keep():
                answer.set_result(result)
            return calls

        self._inbox.put(work)
        try:
            return answer.result(timeout=_REQUEST_S)
        except TimeoutError:
            raise UserError("the scheduler cannot reach ZooKeeper: the change may or may not be kept") from None

    def _request(self, name: str, given: dict[str, Any]) -> Any:
        if name == "status":
            return self._ask(lambda _now_s: status(self._core, self._client.master))
        if name == "log":
            agent, framework_id, task_id = self._ask(lambda _now_s: task_of(self._core, given["name"]))
            file = given.get("file", "stdout")
            if file not in ("stdout", "stderr"):
                raise UserError(f'"{file}": expected stdout or stderr')
            return {"task": task_id, "file": file, "text": find_sandbox(agent, framework_id, task_id).tail(file)}
        _log.info("Asked to %s %s", name, given)
        return self._ask(lambda now_s: perform(self._core, name, given, now_s))

    def _status_line(self) -> str:
        shown = status(self._core, self._client.master)
        running = sum(each["state"] == "running" for each in shown["brokers"])
        job = shown["job"]["state"] if shown["job"] else "none"
        master = f"Mesos master {shown['master']}" if shown["master"] else "waiting for a Mesos master"
        return f"{running} of {len(shown['brokers'])} brokers run, job: {job}; {master}"
