"""Three cold workers that are switched on one after the other, further apart than a lone voter lives by itself."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from sensorpi.common.cluster.model import parse
from tests.cluster.engines import ENGINES, Engine
from tests.cluster.fault import Recovery, Report
from tests.cluster.site import BROKER, SUITE, WHOLE_S, cluster_text, install, start
from tests.packages.conftest import bridged, machines
from tests.packages.machine import Machine, wait_for

pytestmark = pytest.mark.timeout(1200)

#: With Kafka's own settings a broker that waits for the others ends itself after 71 s.
APART_S = 80.0

#: Mesos starts a voter anew at most 15 s after its end; the JVM takes the rest, on a machine that others use as well.
AGAIN_S = 60.0


@dataclass(frozen=True)
class Cold:
    """Machines that are installed and were never started: the workers in their order; the master under Mesos."""

    engine: Engine
    workers: list[Machine]
    masters: list[Machine]

    def brokers(self) -> list[str]:
        """The state of each broker, as the scheduler has it; none while it does not answer."""
        shown = self.masters[0].try_("sensorpi", "kafka", "broker", "list", "--json")
        return [each["state"] for each in json.loads(shown.stdout)["brokers"]] if shown.returncode == 0 else []


@pytest.fixture(params=ENGINES)
def cold(request: pytest.FixtureRequest) -> Iterator[Cold]:
    """As many machines of the shipped file as brokers need."""
    engine: Engine = request.param
    text = cluster_text(engine)
    roles = ("mesos-worker", "mesos-master") if engine.is_mesos else ("mesos-worker",)
    with bridged() as lan, machines() as make:
        found: dict[str, list[Machine]] = {"mesos-worker": [], "mesos-master": []}
        for role in roles:
            for node in parse(text, "cluster.toml").with_role(role):
                machine = make(SUITE, node.address, lan)
                engine.prepare(machine.root)
                install(machine, text, [role])
                found[role].append(machine)
        yield Cold(engine, found["mesos-worker"], found["mesos-master"])


def pid_of_broker(machine: Machine) -> str:
    """The process of the broker's JVM; empty when there is none."""
    return machine.try_("pgrep", "-f", BROKER).stdout.strip()


def kill_again_and_again(worker: Machine, until_s: float) -> int:
    """Kill that worker's voter whenever it is there, until then and four times at least; how often.

    Each time it has to be back soon.
    """
    times, pid = 0, wait_for("the first voter", lambda: pid_of_broker(worker), WHOLE_S)
    while times < 4 or time.monotonic() < until_s:
        worker.do("kill", "-KILL", *pid.split())
        times += 1
        wait_for("the voter's end", lambda: pid_of_broker(worker) != pid, 10)  # noqa: B023
        pid = wait_for("the voter again", lambda: pid_of_broker(worker), AGAIN_S)
    return times


def test_cold_workers_that_start_minutes_apart_meet(cold: Cold, report: Report, say: Callable[[object], None]) -> None:
    if cold.engine.is_mesos:  # the scheduler needs ZooKeeper, or the first voter would not be there to be alone
        for machine in cold.workers:
            machine.do("systemctl", "start", "sensorpi-config.service", "sensorpi-zookeeper.service")
        for machine in cold.masters:
            start(machine, ["mesos-master"])
    began_s = time.monotonic()
    for number, worker in enumerate(cold.workers):
        if number == 1 and cold.engine.is_mesos:
            times = kill_again_and_again(worker=cold.workers[0], until_s=began_s + APART_S)
            say(f"{cold.engine.title}: the first voter was killed {times} times while it was alone")
        time.sleep(max(0.0, began_s + number * APART_S - time.monotonic()))
        start(worker, ["mesos-worker"])
    last_s = time.monotonic() - began_s
    if cold.engine.is_mesos:
        wait_for("three running brokers", lambda: cold.brokers() == ["running"] * 3, WHOLE_S)
    for worker in cold.workers:
        services = cold.engine.services["mesos-worker"]
        worker.wait_active(*services, limit_s=WHOLE_S)
    whole_s = time.monotonic() - began_s
    assert {machine.failed() for machine in (*cold.workers, *cold.masters)} == {""}
    report(Recovery(cold.engine.title, f"start three cold workers {APART_S:g} s apart", last_s, None, whole_s))
