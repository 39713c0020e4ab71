"""Nodes lose their power or their network, and get it back."""

import signal
from functools import partial

import pytest

from tests.cluster.conftest import NewFault
from tests.cluster.site import BROKER, WHOLE_S, Site
from tests.packages.machine import wait_for

pytestmark = pytest.mark.timeout(1200)


def test_a_worker_loses_its_power(site: Site, new_fault: NewFault) -> None:
    worker = site.leader()
    others = [site[name] for name in site.workers if name != worker]
    fault = new_fault("power-off of the worker that leads")
    fault.strike(partial(site.off, worker))
    fault.expect_reading(WHOLE_S)  # the job may be a task of that worker
    fault.keep_away(60)
    for other in others:  # what goes on for hours must not fill the journal
        lines = other.do("journalctl", "-q", "-o", "cat", "--since=-40s", "-u", "sensorpi-kafka.service").splitlines()
        assert len(lines) < 20, lines
    fault.undo(partial(site.on, worker))
    fault.recover(120)


def test_a_worker_loses_its_network(site: Site, new_fault: NewFault) -> None:
    worker = site.leader()
    fault = new_fault("the leading worker's cable is cut")
    fault.strike(partial(site.unplug, worker))
    fault.expect_reading(WHOLE_S)  # the job may be a task of that worker
    fault.undo(partial(site.plug, worker))
    fault.recover(120)


def test_master02_loses_its_power(site: Site, new_fault: NewFault) -> None:
    fault = new_fault("power-off of master02, the job's node")
    fault.strike(partial(site.off, "master02"))
    fault.keep_away(20)
    fault.undo(partial(site.on, "master02"))
    fault.recover(120)


def test_master01_loses_its_power(site: Site, new_fault: NewFault) -> None:
    fault = new_fault("power-off of master01, InfluxDB's node")
    fault.strike(partial(site.off, "master01"))
    fault.keep_away(30)
    fault.undo(partial(site.on, "master01"))
    fault.recover(120)


def test_the_sensor_loses_its_power_while_kafka_is_away(site: Site, new_fault: NewFault) -> None:
    fault = new_fault("power-off of the sensor while no broker answers")
    spool = site.ledger.spool

    def strike() -> None:
        for worker in site.workers:
            site.signal(worker, BROKER, signal.SIGSTOP)
        wait_for("the spool", spool.exists, 60)
        fault.keep_away(30)
        site.off("sensor01")

    def undo() -> None:
        for worker in site.workers:
            site.signal(worker, BROKER, signal.SIGCONT)
        site.on("sensor01")

    fault.strike(strike)
    assert spool.exists()
    fault.undo(undo)
    fault.recover(120)
    assert not spool.exists()


def test_all_nodes_lose_their_power(site: Site, new_fault: NewFault) -> None:
    fault = new_fault("power-off of all six nodes")
    fault.strike(partial(site.off, *site.machines))
    fault.undo(partial(site.on, *site.machines))
    fault.recover(300)
