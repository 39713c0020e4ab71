"""A real Kafka broker for the tests, run by `sensorpi kafka run` as on a node."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from sensorpi.common.cluster.model import load
from sensorpi.common.cluster.secrets import kafka_cluster_id, make_key
from sensorpi.mesos_node.kafka.topics import ensure_topics, topic_specs
from tests.integration.ports import free_ports
from tests.integration.waiting import wait_until

ROOT = Path(__file__).parents[2]
JARS = ROOT / ".cache/jars/kafka"
COMMAND = Path(sys.executable).with_name("sensorpi")


class KafkaBroker:
    """One broker of a cluster on loopback: ``config`` holds its cluster.toml and cluster.key."""

    def __init__(self, config: Path, node: str, data: Path) -> None:
        """``node`` is its name in the cluster file, ``data`` where its folders go."""
        self.config = config
        self.node = node
        self.data = data
        self.cluster = load(config / "cluster.toml")
        self.cluster_id = kafka_cluster_id((config / "cluster.key").read_bytes())
        self.log = data.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """What a client is given."""
        return self.cluster.bootstrap_servers

    @property
    def log_directory(self) -> Path:
        """Where the broker's partitions lie."""
        return self.data / str(self.cluster.broker_id(self.cluster.node(self.node)))

    @property
    def jvm_pid(self) -> int:
        """The process id of the JVM below the launcher."""
        assert self.process is not None
        pid = self.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def launch(self, environment: Mapping[str, str] | None = None) -> "subprocess.Popen[bytes]":
        """Start the command and do not wait; ``log`` is begun anew."""
        places = ["--config", str(self.config), "--data", str(self.data), "--jars", str(JARS)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [COMMAND, "kafka", "run", "--node", self.node, *places],
                env={**os.environ, **(environment or {})},
                stdout=log,
                stderr=log,
            )
        return self.process

    def wait_until_ready(self) -> None:
        """Wait for the launcher's word that the broker answers."""
        process = self.process
        assert process is not None
        wait_until(lambda: "is ready" in self.output() or process.poll() is not None, "broker ready")
        assert process.poll() is None, self.output()

    def start(self) -> None:
        """Start it, wait until it answers."""
        self.launch()
        self.wait_until_ready()

    def stop(self) -> int | None:
        """End it with SIGTERM and return its exit status; ``None`` when it does not run."""
        process, self.process = self.process, None
        if process is None:
            return None
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(timeout=90)
        except subprocess.TimeoutExpired:
            process.kill()  # setpriv takes the JVM along
            process.wait()
            raise

    def pause(self) -> None:
        """Freeze the JVM: connections stay open and nothing answers."""
        os.kill(self.jvm_pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen JVM go on."""
        os.kill(self.jvm_pid, signal.SIGCONT)

    def output(self) -> str:
        """What it has logged since its last start."""
        return self.log.read_text(encoding="utf-8", errors="replace")


def one_broker(directory: Path, more: str = "") -> KafkaBroker:
    """A broker in a cluster of one machine, on free ports, not yet started; ``more`` are lines for [kafka]."""
    port, controller_port = free_ports(2)
    (directory / "config").mkdir(parents=True)
    (directory / "config/cluster.toml").write_text(
        '[nodes.box]\naddress = "127.0.0.1"\n'
        'roles = ["sensor", "mesos-worker", "mesos-master", "influx-grafana"]\n'
        f"[kafka]\nport = {port}\ncontroller_port = {controller_port}\n{more}\n"
    )
    make_key(directory / "config/cluster.key")
    return KafkaBroker(directory / "config", "box", directory / "data")


def three_voters(directory: Path) -> list[KafkaBroker]:
    """Three brokers of one cluster, each on a loopback address of its own, not yet started."""
    port, controller_port = free_ports(2)
    config = directory / "config"
    config.mkdir()
    nodes = "".join(f'[nodes.w{i}]\naddress = "127.0.0.{i}"\nroles = ["mesos-worker"]\n' for i in (1, 2, 3))
    (config / "cluster.toml").write_text(
        f"{nodes}[nodes.m]\naddress = '127.0.0.9'\nroles = ['mesos-master', 'influx-grafana']\n"
        f"[kafka]\nport = {port}\ncontroller_port = {controller_port}\n"
    )
    make_key(config / "cluster.key")
    return [KafkaBroker(config, f"w{i}", directory / f"data{i}") for i in (1, 2, 3)]


@pytest.fixture(scope="session")
def three_brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[KafkaBroker]]:
    """Three running brokers that vote, each formatted alone; a test that stops one starts it again."""
    brokers = three_voters(tmp_path_factory.mktemp("brokers"))
    try:
        for each in brokers:
            each.launch()
        for each in brokers:
            each.wait_until_ready()
        yield brokers
    finally:
        for each in brokers:
            if each.process is not None:
                each.process.terminate()
        for each in brokers:
            each.stop()


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A running broker with the pipeline's topics; a test that stops or pauses it starts or resumes it again."""
    broker = one_broker(tmp_path_factory.mktemp("kafka"))
    try:
        broker.start()
        ensure_topics(broker.bootstrap_servers, topic_specs(broker.cluster), broker.cluster_id)
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def fresh_broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker of the test's own, never started and without topics, which the test may break."""
    with fresh_broker_in(tmp_path) as broker:
        yield broker


@contextmanager
def fresh_broker_in(directory: Path) -> Iterator[KafkaBroker]:
    """The same for a fixture of another scope."""
    broker = one_broker(directory)
    try:
        yield broker
    finally:
        if broker.process is not None and broker.process.poll() is None:
            broker.resume()
        broker.stop()
