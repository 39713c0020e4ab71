"""Of several schedulers one leads: the holder of a lock in ZooKeeper, for as long as its session lives."""

import logging
import threading
from collections.abc import Callable

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException, LockTimeout
from kazoo.handlers.threading import KazooTimeoutError

from sensorpi.common.daemon.outage import Outage

_log = logging.getLogger(__name__)

PATH = "/sensorpi/scheduler/lock"

#: Longer than ZooKeeper takes to elect a leader of its own, so that this alone does not depose us.
SESSION_S = 20.0

_LOOK_AGAIN_S = 10.0


def connect(servers: str, stop: threading.Event, alive: Callable[[str], None]) -> KazooClient | None:
    """A started client of the ZooKeeper at ``servers``, once it answers; None when ``stop`` was set before.

    ``alive`` is called from time to time with a status line.
    """
    zookeeper = KazooClient(hosts=servers, timeout=SESSION_S)
    outage = Outage(f"ZooKeeper at {servers}", _log)
    connected = zookeeper.start_async()
    while not stop.is_set():
        if connected.wait(1.0):
            outage.succeeded()
            return zookeeper
        outage.failed("it does not answer")
        alive(f"waiting for ZooKeeper at {servers}")
    zookeeper.stop()
    return None


def lead(
    zookeeper: KazooClient,
    name: str,
    stop: threading.Event,
    on_lost: Callable[[str], None],
    alive: Callable[[str], None],
) -> bool:
    """Wait for the lock and return True; False when ``stop`` was set before.

    ``on_lost`` is called once the session has expired, with the reason: from then on another may lead.
    """
    lock = zookeeper.Lock(PATH, identifier=name)
    said = False
    while not stop.is_set():
        try:
            if lock.acquire(timeout=_LOOK_AGAIN_S if said else 2.0):
                break
        except LockTimeout:
            leader = _leader(lock)
            if not said:
                _log.info("Standing by: %s leads", leader)
            said = True
            alive(f"standing by: {leader} leads")
        except (KazooException, KazooTimeoutError) as error:
            alive(f"standing by: ZooKeeper: {error or type(error).__name__}")
            stop.wait(1.0)
    if stop.is_set():
        return False

    def listen(state: str) -> None:
        if state == KazooState.LOST:
            on_lost("the session with ZooKeeper has expired")

    zookeeper.add_listener(listen)
    if zookeeper.state == KazooState.LOST:
        on_lost("the session with ZooKeeper has expired")
    return True


def _leader(lock: object) -> str:
    try:
        contenders = lock.contenders()  # type: ignore[attr-defined]
    except (KazooException, KazooTimeoutError):
        contenders = []
    return contenders[0] if contenders else "another scheduler"
