"""The six nodes of the shipped file as machines on one bridge, and what can befall them."""

import contextlib
import signal
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from kafka.partitioner.default import murmur2

from sensorpi.common.cluster.model import Cluster, example_text, parse
from sensorpi.common.reading import DEFAULT_SENSOR, TOPIC, kafka_key
from tests.chaos.checker import Evidence, check
from tests.cluster.engines import Engine
from tests.cluster.ledger import Ledger
from tests.cluster.observer import Observer, observing
from tests.packages.conftest import bridged, machines
from tests.packages.machine import Machine, run, wait_for

KEY = bytes(range(32))
SUITE = "bookworm"
#: Readings a second.
RATE_HZ = 5.0

STATE = "/var/lib/sensorpi/sensor"
#: There is no board in a container: the emulated one under the same driver, which writes down what it takes.
_SENSOR = f"""[Service]
ExecStart=
ExecStart=/usr/bin/sensorpi sensor run --board emulated --events {STATE}/events.jsonl
"""

#: Words by which processes are found, whoever started them.
BROKER, JOB, JOB_JVM = r"kafka\.Kafka ", "sensorpi pipeline job", r"python\.PythonGatewayServer"

#: JVMs of six nodes share two cores, perhaps with others.
WHOLE_S = 400.0


@dataclass
class Site:
    """The machines of one cluster."""

    engine: Engine
    cluster: Cluster
    machines: dict[str, Machine]
    observer: Observer
    ledger: Ledger

    def __getitem__(self, name: str) -> Machine:
        return self.machines[name]

    @property
    def workers(self) -> list[str]:
        """The names of the nodes with a broker, by the brokers' ids."""
        return [node.name for node in self.cluster.workers]

    @property
    def running(self) -> list[Machine]:
        """The machines that are switched on."""
        return [machine for machine in self.machines.values() if machine.is_on]

    def leader(self) -> str:
        """The worker whose broker leads the partition of the sensor's readings."""
        key = kafka_key(DEFAULT_SENSOR, "sensor01")
        partition = (murmur2(key) & 0x7FFFFFFF) % self.cluster.kafka.partitions
        return self.workers[self.observer.leader(TOPIC, partition)]

    def controller(self) -> str:
        """The worker that leads the controllers."""
        return self.workers[self.observer.controller()]

    def job_node(self) -> str:
        """The node on which the job's driver runs."""
        return next(name for name, machine in self.machines.items() if machine.try_("pgrep", "-f", JOB).stdout)

    # What can befall them.

    def signal(self, name: str, words: str, number: signal.Signals) -> None:
        """Send a signal to every process on that node whose command line matches."""
        pids = self[name].do("pgrep", "-f", words).split()
        self[name].do("kill", f"-{number.name.removeprefix('SIG')}", *pids)

    def off(self, *names: str) -> None:
        """Pull the plugs: a machine without power answers nothing, not even with a refusal."""
        for name in names:
            self.unplug(name)
        for name in names:
            self[name].kill()
        if "sensor01" in names:
            self.ledger.note_power_cut()

    def on(self, *names: str) -> None:
        """Give them power again, all at once; on return they have booted, but not all of their services run."""
        for name in names:
            self.plug(name)
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(lambda name: self[name].boot(), names))

    def unplug(self, name: str) -> None:
        """Cut the node's network cable."""
        self._link(name, "down")

    def plug(self, name: str) -> None:
        """Mend it."""
        self._link(name, "up")

    def _link(self, name: str, state: str) -> None:
        machine = self[name]
        assert machine.lan is not None
        run("ip", "-n", machine.lan, "link", "set", machine.name, state)

    # What must hold.

    def services(self, name: str) -> tuple[str, ...]:
        """The services that have to be active on that node."""
        roles = self.cluster.node(name).roles
        return tuple(service for role in roles for service in self.engine.services[role])

    def what_is_missing(self) -> str:
        """The first thing that is not as it should be; empty when all is."""
        for name, machine in self.machines.items():
            services = self.services(name)
            states = machine.try_("systemctl", "is-active", *services).stdout.split()
            for service, state in zip(services, states, strict=False):
                if state != "active":
                    return f"{service} on {name} is {state}"
            if states.count("active") != len(services):
                return f"{name} does not answer"
        if not self.observer.is_in_sync():
            return "not every replica is in sync"
        if not self.observer.queryable_since(time.time() - 5.0):
            return "no reading of the last 5 s is in InfluxDB"
        return ""

    def wait_until_whole(self, limit_s: float = WHOLE_S) -> None:
        """Wait until every service is active, every replica in sync, and readings arrive."""
        deadline = time.monotonic() + limit_s
        while missing := self.what_is_missing():
            assert time.monotonic() < deadline, f"after {limit_s:g} s {missing}"
            time.sleep(0.5)

    def wait_for_reading_since(self, time_s: float, limit_s: float = WHOLE_S) -> None:
        """Wait until a reading that was taken at this time or later is queryable."""
        wait_for("a reading in InfluxDB", lambda: self.observer.queryable_since(time_s), limit_s, 0.2)

    def verify(self, limit_s: float = WHOLE_S) -> int:
        """Every reading is in InfluxDB as it was taken, none twice, and no unit has failed; how many are owed."""
        owed, taken = self.ledger.owed(), self.ledger.readings()
        deadline = time.monotonic() + limit_s
        rows = self.observer.rows()
        while missing := owed - {(row.reading.boot, row.reading.sequence) for row in rows}:
            assert time.monotonic() < deadline, f"{len(missing)} readings are missing: {sorted(missing)[:10]} …"
            time.sleep(1.0)
            rows = self.observer.rows()
        stored = {row.reading for row in rows}
        # Those that were taken since the list was made are compared the next time.
        known = [row for row in rows if row.reading in taken]
        verdict = check(Evidence({reading: each for reading, each in taken.items() if reading in stored}, known))
        wrong = [*verdict.duplicated, *verdict.altered, *verdict.out_of_order]
        assert not wrong, f"{len(wrong)} readings are not as they were taken: {', '.join(map(str, wrong[:10]))} …"
        unknown = stored - self.ledger.readings().keys()
        assert not unknown, f"{len(unknown)} readings were never taken: {sorted(unknown)[:10]}"
        assert {name: machine.failed() for name, machine in self.machines.items()} == dict.fromkeys(self.machines, "")
        return len(owed)

    def journals(self) -> str:
        """What every node has to say of itself, for a failure."""
        lines = []
        for name, machine in self.machines.items():
            if not machine.is_on:
                lines.append(f"--- {name} is off")
                continue
            states = machine.try_("systemctl", "--no-pager", "--no-legend", "--plain", "list-units", "sensorpi*").stdout
            lines.append(f"--- {name}\n{states}")
            units = [f"--unit={unit}" for unit in (*self.services(name), "sensorpi-config.service")]
            journal = machine.try_("journalctl", "-q", "--no-pager", "-o", "short-monotonic", "-n", "60", *units)
            lines.append(journal.stdout)
            # Mesos's tasks write into their sandboxes instead.
            for file in sorted(
                (machine.root / "var/lib/sensorpi").glob("*/slaves/*/frameworks/*/executors/*/runs/*/stderr")
            ):
                said = file.read_text(errors="replace").splitlines()[-40:]
                lines.append("\n".join([f"--- {name}: {file.parts[-4]}", *said]))
        return "\n".join(lines)


def cluster_text(engine: Engine) -> str:
    """The shipped file with that engine, and a faster sensor."""
    text = example_text().replace("#rate_hz = 1.0 ", f"rate_hz = {RATE_HZ}")
    return text.replace('#engine = "standalone"', f'engine = "{engine.name}"')


@contextlib.contextmanager
def installed(engine: Engine) -> Iterator[Site]:
    """Six nodes from one file and one key, installed and not started."""
    text = cluster_text(engine)
    cluster = parse(text, "cluster.toml")
    with _ended_by_sigterm(), bridged() as lan, machines() as make, observing(lan, cluster, KEY) as observer:
        nodes = {node.name: make(SUITE, node.address, lan) for node in cluster.nodes}
        for node in cluster.nodes:
            if {"mesos-worker", "mesos-master"} & set(node.roles):
                engine.prepare(nodes[node.name].root)
            install(nodes[node.name], text, node.roles)
        state = nodes["sensor01"].root / STATE.lstrip("/")
        yield Site(engine, cluster, nodes, observer, Ledger(state / "events.jsonl", state / "spool.sqlite3"))


def install(machine: Machine, cluster_text: str, roles: Iterable[str]) -> None:
    """Install a node's roles without starting them."""
    etc = machine.root / "etc/sensorpi"
    etc.mkdir()
    (etc / "cluster.toml").write_text(cluster_text)
    if "sensor" in roles:
        drop_in = machine.root / "etc/systemd/system/sensorpi-sensor.service.d"
        drop_in.mkdir(parents=True)
        (drop_in / "emulated.conf").write_text(_SENSOR)
    if set(roles) != {"sensor"}:
        (etc / "cluster.key").write_bytes(KEY)
        (etc / "cluster.key").chmod(0o640)
    policy = machine.root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    machine.install(*(f"sensorpi-{role}" for role in roles))
    policy.unlink()


def start(machine: Machine, roles: Iterable[str]) -> None:
    """`systemctl start` of a node's roles."""
    machine.do("systemctl", "start", "sensorpi-config.service", *(f"sensorpi-{role}.target" for role in roles))


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the run as Ctrl-C does: with everything torn down."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
