"""The leader election among the schedulers: the leader holds a lock in ZooKeeper while its session lives."""

import logging
import threading
from collections.abc import Callable

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException, LockTimeout
from kazoo.handlers.threading import KazooTimeoutError

from sensorpi.common.daemon.outage import Outage

_log = logging.getLogger(__name__)

LOCK_PATH = "/sensorpi/scheduler/lock"

#: Longer than an election among the ZooKeeper servers takes, so that one alone does not expire our session.
SESSION_S = 20.0

_FIRST_WAIT_S = 2.0
_REPORT_EVERY_S = 10.0


def connect(servers: str, stop: threading.Event, report: Callable[[str], None]) -> KazooClient | None:
    """A started client of the ZooKeeper at ``servers``, once it answers; None when ``stop`` was set before.

    ``report`` gets a status line every second.
    """
    zookeeper = KazooClient(hosts=servers, timeout=SESSION_S)
    outage = Outage(f"ZooKeeper at {servers}", _log)
    connected = zookeeper.start_async()
    while not stop.is_set():
        if connected.wait(1.0):
            outage.succeeded()
            return zookeeper
        outage.failed("it does not answer")
        report(f"waiting for ZooKeeper at {servers}")
    zookeeper.stop()
    return None


def wait_until_elected(
    zookeeper: KazooClient,
    name: str,
    stop: threading.Event,
    on_lost: Callable[[str], None],
    report: Callable[[str], None],
) -> bool:
    """Stand by until this scheduler, called ``name``, is the leader; return False when ``stop`` was set before.

    ``report`` gets a status line at least every 10 s. ``on_lost`` gets the reason once the session has expired: from
    then on another scheduler may be the leader.
    """
    lock = zookeeper.Lock(LOCK_PATH, identifier=name)
    is_standing_by = False
    while not stop.is_set():
        try:
            if lock.acquire(timeout=_REPORT_EVERY_S if is_standing_by else _FIRST_WAIT_S):
                break
        except LockTimeout:
            leader = _leader(lock)
            if not is_standing_by:
                _log.info("Standing by: %s is the leader", leader)
            is_standing_by = True
            report(f"standing by: {leader} is the leader")
        except (KazooException, KazooTimeoutError) as error:
            report(f"standing by: ZooKeeper: {error or type(error).__name__}")
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
    except (KazooException, KazooTimeoutError, UnicodeDecodeError):  # the last: the node of another program
        contenders = []
    return contenders[0] if contenders else "another scheduler"
