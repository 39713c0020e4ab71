"""`sensorpi-scheduler`'s life: wait for ZooKeeper, stand by until this one leads, lead until told to stop."""

import logging
import threading

from sensorpi.common.daemon import service
from sensorpi.common.daemon.outage import Outage
from sensorpi.mesos_node.scheduler import election as leading
from sensorpi.mesos_node.scheduler.core.model import State
from sensorpi.mesos_node.scheduler.core.state_machine import Core
from sensorpi.mesos_node.scheduler.event_loop import Leader, Options
from sensorpi.mesos_node.scheduler.store import Store, StoreAway

_log = logging.getLogger(__name__)


def run(options: Options, stop: threading.Event) -> int:
    """Lead or stand by until ``stop`` is set; return the status to exit with: 1 when another has taken over."""

    def alive(line: str) -> None:
        service.notify(ready=True, watchdog=True, status=line)

    zookeeper = leading.connect(options.cluster.zookeeper_servers, stop, alive)
    if zookeeper is None:
        return 0
    deposed: list[str] = []

    def depose(reason: str) -> None:
        if not stop.is_set():  # a session that ends with us is no loss
            deposed.append(reason)
            stop.set()

    try:
        if not leading.lead(zookeeper, options.node.name, stop, depose, alive):
            return 0
        store = Store(zookeeper)
        state = _load(store, stop)
        if state is not None:
            core = Core(options.cluster, state, options.programs)
            Leader(options, zookeeper, store, core, stop, depose).run()
    finally:
        zookeeper.stop()
        zookeeper.close()
    if deposed:
        _log.error("This scheduler steps down: %s", deposed[0])
        return 1
    return 0


def _load(store: Store, stop: threading.Event) -> State | None:
    outage = Outage("The state in ZooKeeper", _log)
    while not stop.is_set():
        try:
            state = store.load()
        except StoreAway as error:
            stop.wait(outage.failed(error))
        else:
            outage.succeeded()
            return state
    return None
