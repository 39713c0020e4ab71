"""Brokers die, freeze, lose their disk, are restarted in turn."""

import shutil
import signal
import time
from functools import partial

import pytest

from tests.cluster.conftest import NewFault
from tests.cluster.site import BROKER, WHOLE_S, Site
from tests.packages.machine import wait_for

pytestmark = pytest.mark.timeout(1200)


def test_the_leading_broker_is_killed(site: Site, new_fault: NewFault) -> None:
    fault = new_fault("kill -9 the broker that leads")
    fault.strike(lambda: site.signal(site.leader(), BROKER, signal.SIGKILL))
    fault.recover(120)


def test_the_leading_controller_is_killed(site: Site, new_fault: NewFault) -> None:
    fault = new_fault("kill -9 the controllers' leader")
    fault.strike(lambda: site.signal(site.controller(), BROKER, signal.SIGKILL))
    fault.recover(120)


def test_all_brokers_freeze_for_a_minute(site: Site, new_fault: NewFault) -> None:
    def signal_all(number: signal.Signals) -> None:
        for worker in site.workers:
            site.signal(worker, BROKER, number)

    fault = new_fault("freeze all brokers")
    fault.strike(partial(signal_all, signal.SIGSTOP))
    fault.keep_away(60)
    thawed_s = time.monotonic()
    before = site.ledger.acknowledged()
    fault.undo(partial(signal_all, signal.SIGCONT))
    wait_for("an acknowledgement", lambda: site.ledger.acknowledged() > before, 60)
    assert time.monotonic() - thawed_s < 15
    fault.recover(120)


def test_all_brokers_are_restarted_in_turn(site: Site, new_fault: NewFault) -> None:
    def restart_in_turn() -> None:
        if site.engine.is_mesos:
            site["master02"].do("sensorpi", "kafka", "broker", "restart", "0..2", "--timeout", "300s")
            return
        for worker in site.workers:
            site[worker].do("systemctl", "restart", "sensorpi-kafka.service")
            wait_for("replicas in sync", site.observer.is_in_sync, WHOLE_S)

    fault = new_fault("restart all brokers in turn")
    fault.endure(restart_in_turn)
    fault.recover(120)


def test_a_brokers_disk_is_lost(site: Site, new_fault: NewFault) -> None:
    def replace_disk(worker: str) -> None:
        site.off(worker)
        shutil.rmtree(site[worker].root / f"var/lib/sensorpi/kafka/{site.workers.index(worker)}")
        site.on(worker)

    fault = new_fault("a broker's messages are wiped, its node has no power meanwhile")
    fault.endure(lambda: replace_disk(site.leader()))
    fault.recover(120)
