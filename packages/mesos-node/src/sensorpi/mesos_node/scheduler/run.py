"""The life of `sensorpi-scheduler`: wait for ZooKeeper, stand by until elected, be the leader until told to stop."""

import logging
import threading

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.daemon import service
from sensorpi.common.daemon.outage import Outage
from sensorpi.mesos_node.scheduler import election
from sensorpi.mesos_node.scheduler.core.model import State
from sensorpi.mesos_node.scheduler.core.state_machine import Core
from sensorpi.mesos_node.scheduler.event_loop import EventLoop
from sensorpi.mesos_node.scheduler.framework import Options
from sensorpi.mesos_node.scheduler.store import Store, StoreUnavailable

_log = logging.getLogger(__name__)


def run(options: Options, stop: threading.Event) -> ExitCode:
    """Lead or stand by until ``stop`` is set; return ``ExitCode.FAILED`` when this scheduler lost the leadership."""

    def report(line: str) -> None:
        service.notify(ready=True, watchdog=True, status=line)

    zookeeper = election.connect(options.cluster.zookeeper_servers, stop, report)
    if zookeeper is None:
        return ExitCode.OK
    reasons: list[str] = []

    def step_down(reason: str) -> None:
        if not stop.is_set():  # a session that ends because we stop is not a loss
            reasons.append(reason)
            stop.set()

    try:
        if not election.wait_until_elected(zookeeper, options.node.name, stop, step_down, report):
            return ExitCode.OK
        store = Store(zookeeper)
        state = _load(store, stop)
        if state is not None:
            core = Core(options.cluster, state, options.programs)
            EventLoop(options, zookeeper, store, core, stop, step_down).run()
    finally:
        zookeeper.stop()
        zookeeper.close()
    if reasons:
        _log.error("This scheduler steps down: %s", reasons[0])
        return ExitCode.FAILED
    return ExitCode.OK


def _load(store: Store, stop: threading.Event) -> State | None:
    outage = Outage("The state in ZooKeeper", _log)
    while not stop.is_set():
        try:
            state = store.load()
        except StoreUnavailable as error:
            stop.wait(outage.failed(error))
        else:
            outage.succeeded()
            return state
    return None
