"""The six nodes with `engine = "mesos"`: real ZooKeeper and services, brokers and job as tasks of stand-in daemons."""

import json
import shutil
from pathlib import Path

import pytest

from sensorpi.common.cluster.model import Cluster, example_text, parse
from tests.packages.conftest import NewMachine
from tests.packages.machine import Machine, wait_for
from tests.packages.test_packages_cluster import KEY
from tests.packages.test_packages_together import EMULATED, count

pytestmark = pytest.mark.timeout(2400)

MESOS = example_text().replace('#engine = "standalone"', 'engine = "mesos"')
WORKERS = ("worker01", "worker02", "worker03")
AGENT, MASTER, SCHEDULER, ZOOKEEPER, KAFKA = (
    f"sensorpi-{name}.service" for name in ("mesos-agent", "mesos-master", "scheduler", "zookeeper", "kafka")
)
#: JVMs of six nodes share two cores, perhaps with others.
START_S = 500.0

STAND_IN = Path(__file__).parents[1] / "fakes/mesos"
#: A unit that a package of Mesos may contain. It would take our agent's port.
MAKERS_UNIT = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"


def install_mesos(machine: Machine) -> None:
    """Install the stand-in's programs in the place of those of a package of Mesos."""
    shutil.copytree(STAND_IN, machine.root / "opt/mesos-stand-in/mesos", ignore=shutil.ignore_patterns("__pycache__"))
    for program in ("mesos-master", "mesos-agent"):
        (machine.root / "usr/sbin" / program).symlink_to(f"/opt/mesos-stand-in/mesos/{program}")


def apply(nodes: dict[str, Machine], text: str) -> None:
    """Give every node this cluster file."""
    for machine in nodes.values():
        (machine.root / "etc/sensorpi/cluster.toml").write_text(text)
        machine.do("sensorpi", "config", "apply")


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return parse(MESOS, "cluster.toml")


@pytest.fixture(scope="module")
def nodes(new_machine: NewMachine, lan: str, cluster: Cluster) -> dict[str, Machine]:
    """Every node with its roles installed. On worker01, an agent from a package of Mesos was running before."""
    machines = {}
    for node in cluster.nodes:
        machine = machines[node.name] = new_machine("bookworm", node.address, lan)
        etc = machine.root / "etc/sensorpi"
        etc.mkdir()
        (etc / "cluster.toml").write_text(MESOS)
        if "sensor" in node.roles:
            drop_in = machine.root / "etc/systemd/system/sensorpi-sensor.service.d"
            drop_in.mkdir(parents=True)
            (drop_in / "emulated.conf").write_text(EMULATED)
        else:
            (etc / "cluster.key").write_bytes(KEY)
            (etc / "cluster.key").chmod(0o640)
        if node.name.startswith(("worker", "master02")):
            install_mesos(machine)
        if node.name == "worker01":
            (machine.root / "lib/systemd/system/mesos-slave.service").write_text(MAKERS_UNIT)
            machine.do("systemctl", "enable", "--now", "mesos-slave.service")
        machine.install(*(f"sensorpi-{role}" for role in node.roles))
    return machines


def broker_pid(machine: Machine) -> str:
    """The process id of the broker's JVM, or an empty string."""
    return machine.try_("pgrep", "-f", r"kafka\.Kafka ").stdout.strip()


def wait_for_readings(nodes: dict[str, Machine]) -> None:
    """Wait until InfluxDB has more readings than now."""
    before = count(nodes["master01"])
    wait_for("readings", lambda: count(nodes["master01"]) > before + 2, START_S)


def test_the_daemons_run_and_zookeeper_has_a_leader(nodes: dict[str, Machine]) -> None:
    for name in WORKERS:
        nodes[name].wait_active(ZOOKEEPER, AGENT, limit_s=START_S)
    nodes["master02"].wait_active(MASTER, SCHEDULER, limit_s=START_S)

    def modes() -> list[str]:
        return sorted(nodes[name].status(ZOOKEEPER).rpartition(" ")[2] for name in WORKERS)

    wait_for("an ensemble", lambda: modes() == ["follower", "follower", "leader"])
    assert nodes["master02"].state(ZOOKEEPER) == "inactive"


def test_the_brokers_run_as_tasks(nodes: dict[str, Machine]) -> None:
    for name in WORKERS:
        wait_for(f"the broker on {name}", lambda name=name: broker_pid(nodes[name]), START_S)  # type: ignore[misc]
        assert nodes[name].state(KAFKA) == "inactive"
        owner = nodes[name].do("ps", "-o", "user=", "-p", broker_pid(nodes[name])).strip()
        assert owner == "sensorpi-kafka"


def test_readings_travel_from_the_sensor_to_influxdb(nodes: dict[str, Machine]) -> None:
    nodes["master01"].wait_active(
        "influxdb.service",
        "sensorpi-influxdb-setup.service",
        "sensorpi-influxdb-watch.service",
        "sensorpi-dashboard.service",
    )
    wait_for("readings", lambda: count(nodes["master01"]) >= 3, START_S)
    nodes["worker02"].wait_active("sensorpi-kafka-topics.service", limit_s=START_S)


def test_no_unit_has_failed_and_the_makers_own_are_held_back(nodes: dict[str, Machine]) -> None:
    assert {name: machine.failed() for name, machine in nodes.items()} == dict.fromkeys(nodes, "")
    assert nodes["worker01"].state("mesos-slave.service") == "inactive"
    nodes["worker01"].do("systemctl", "start", "mesos-slave.service")
    assert nodes["worker01"].state("mesos-slave.service") == "inactive"


def test_status_shows_the_services_of_this_engine(nodes: dict[str, Machine]) -> None:
    lines = nodes["worker01"].do("sensorpi", "status")
    assert "sensorpi-zookeeper: active: serves at port 2181, " in lines
    assert "sensorpi-mesos-agent: active: answers at 10.0.0.21:5051" in lines
    assert "sensorpi-kafka:" not in lines
    lines = nodes["master02"].do("sensorpi", "status")
    assert "sensorpi-mesos-master: active: answers at 10.0.0.12:5050" in lines
    assert "sensorpi-scheduler: active: " in lines


def test_the_commands_for_topics_work_on_this_engine(nodes: dict[str, Machine]) -> None:
    listed = json.loads(nodes["worker03"].do("sensorpi", "kafka", "topic", "list", "sensors", "--json"))
    assert [sorted(part["replicas"]) for part in listed[0]["partitions"]] == [[0, 1, 2]] * 3


@pytest.mark.parametrize("verb", ["restart", "kill"])
def test_a_broker_goes_on_without_its_agent(nodes: dict[str, Machine], verb: str) -> None:
    worker = nodes["worker02"]
    before = broker_pid(worker)
    agent = worker.do("systemctl", "show", "--value", "-p", "MainPID", AGENT).strip()
    if verb == "restart":
        worker.do("systemctl", "restart", AGENT)
    else:
        worker.do("kill", "-KILL", agent)
    wait_for(
        "another agent",
        lambda: worker.do("systemctl", "show", "--value", "-p", "MainPID", AGENT).strip() not in ("0", agent),
    )
    worker.wait_active(AGENT)
    wait_for_readings(nodes)
    assert broker_pid(worker) == before


def test_an_agent_that_would_offer_less_reports_it(nodes: dict[str, Machine]) -> None:
    worker, before = nodes["worker02"], broker_pid(nodes["worker02"])
    file = worker.root / "etc/sensorpi/cluster.toml"
    file.write_text(MESOS.replace('"10.0.0.22"', '"10.0.0.22"\nmemory_mb = 600'))
    worker.do("sensorpi", "config", "apply")
    wait_for("the refusal", lambda: "takes away what this agent offered" in worker.status(AGENT))
    assert "memory_mb 832 → 600" in worker.status(AGENT)
    file.write_text(MESOS)
    worker.do("sensorpi", "config", "apply")
    wait_for("the agent", lambda: worker.status(AGENT).startswith("answers at "))
    assert broker_pid(worker) == before


def test_the_other_engine_goes_on_with_the_data_and_back(nodes: dict[str, Machine]) -> None:
    tasks = {name: broker_pid(nodes[name]) for name in WORKERS}
    apply(nodes, example_text())
    for name in WORKERS:
        wait_for(f"the end of {name}'s agent", lambda name=name: nodes[name].state(AGENT) == "inactive", START_S)  # type: ignore[misc]
        nodes[name].wait_active(KAFKA, limit_s=START_S)
        assert broker_pid(nodes[name]) not in ("", tasks[name])
        assert nodes[name].state(ZOOKEEPER) == "inactive"
    assert nodes["master02"].state(MASTER) == nodes["master02"].state(SCHEDULER) == "inactive"
    nodes["master02"].wait_active("sensorpi-spark-job.service", limit_s=START_S)
    wait_for_readings(nodes)
    apply(nodes, MESOS)
    for name in WORKERS:
        nodes[name].wait_active(AGENT, limit_s=START_S)
        assert nodes[name].state(KAFKA) == "inactive"
        wait_for(f"the broker on {name}", lambda name=name: broker_pid(nodes[name]), START_S)  # type: ignore[misc]
    wait_for_readings(nodes)
    assert {name: machine.failed() for name, machine in nodes.items()} == dict.fromkeys(nodes, "")


def test_a_removed_worker_leaves_no_task_behind(nodes: dict[str, Machine]) -> None:
    worker = nodes["worker03"]
    worker.do("apt-get", "purge", "-y", "sensorpi-mesos-worker")
    assert broker_pid(worker) == ""
    assert worker.shell("ls /var/lib/sensorpi") == "config\n"
    assert worker.failed() == ""
