"""The six nodes of the shipped file, installed one by one from one file and one key."""

import pytest

from sensorpi.common.cluster.model import Cluster, example_text, parse
from tests.packages.conftest import NewMachine
from tests.packages.machine import Machine, wait_for
from tests.packages.test_packages_together import EMULATED, count

pytestmark = pytest.mark.timeout(1800)

KEY = bytes(range(32))


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return parse(example_text(), "cluster.toml")


@pytest.fixture(scope="module")
def nodes(new_machine: NewMachine, lan: str, cluster: Cluster) -> dict[str, Machine]:
    """Every node with its roles installed. Each one recognises its node by its address."""
    machines = {}
    for node in cluster.nodes:
        machine = new_machine("bookworm", node.address, lan)
        etc = machine.root / "etc/sensorpi"
        etc.mkdir()
        (etc / "cluster.toml").write_text(example_text())
        if "sensor" in node.roles:
            drop_in = machine.root / "etc/systemd/system/sensorpi-sensor.service.d"
            drop_in.mkdir(parents=True)
            (drop_in / "emulated.conf").write_text(EMULATED)
        else:
            (etc / "cluster.key").write_bytes(KEY)
            (etc / "cluster.key").chmod(0o640)
        machine.install(*(f"sensorpi-{role}" for role in node.roles))
        machines[node.name] = machine
    return machines


def test_the_brokers_meet(nodes: dict[str, Machine]) -> None:
    for name in ("worker01", "worker02", "worker03"):
        status = wait_for(name, lambda name=name: nodes[name].status("sensorpi-kafka.service"), 60)  # type: ignore[misc]
        assert status
        nodes[name].wait_active("sensorpi-kafka.service", "sensorpi-kafka-topics.service", limit_s=400)


def test_readings_travel_from_the_sensor_to_influxdb(nodes: dict[str, Machine]) -> None:
    nodes["master01"].wait_active(
        "influxdb.service",
        "sensorpi-influxdb-setup.service",
        "sensorpi-influxdb-watch.service",
        "sensorpi-dashboard.service",
    )
    nodes["master02"].wait_active("sensorpi-spark-job.service", limit_s=400)
    wait_for("readings", lambda: count(nodes["master01"]) >= 3, 300)


def test_no_node_has_a_failed_unit(nodes: dict[str, Machine]) -> None:
    assert {name: machine.failed() for name, machine in nodes.items()} == dict.fromkeys(nodes, "")


def test_the_sensor_has_no_key(nodes: dict[str, Machine]) -> None:
    assert nodes["sensor01"].try_("ls", "/etc/sensorpi/cluster.key", "/run/sensorpi/cluster.key").returncode != 0
