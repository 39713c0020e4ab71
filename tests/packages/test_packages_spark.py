"""The job on Spark's standalone cluster: the driver and the master on one machine, the worker on another."""

import re

import pytest

from sensorpi.mesos_node.spark.systemd_units import MASTER_FILE, WORKER_FILE
from tests.packages.conftest import NewMachine
from tests.packages.machine import Machine, wait_for
from tests.packages.test_packages_together import EMULATED, count

pytestmark = pytest.mark.timeout(1800)

MASTER, WORKER, JOB = "sensorpi-spark-master.service", "sensorpi-spark-worker.service", "sensorpi-spark-job.service"
LOCAL = """
[nodes.worker01]
address = "10.0.0.21"
roles = ["sensor", "mesos-worker"]

[nodes.master02]
address = "10.0.0.12"
roles = ["mesos-master", "influx-grafana"]
"""
CLUSTER = LOCAL + '[spark]\nmaster = "spark://10.0.0.12:7077"\n'


@pytest.fixture(scope="module")
def nodes(new_machine: NewMachine, lan: str) -> dict[str, Machine]:
    """The two machines, installed from one file and one key."""
    machines = {}
    for name, address, roles in (
        ("worker01", "10.0.0.21", ("sensor", "mesos-worker")),
        ("master02", "10.0.0.12", ("mesos-master", "influx-grafana")),
    ):
        machine = new_machine("bookworm", address, lan)
        etc = machine.root / "etc/sensorpi"
        etc.mkdir()
        (etc / "cluster.toml").write_text(CLUSTER)
        (etc / "cluster.key").write_bytes(bytes(range(32)))
        (etc / "cluster.key").chmod(0o640)
        if "sensor" in roles:
            drop_in = machine.root / "etc/systemd/system/sensorpi-sensor.service.d"
            drop_in.mkdir(parents=True)
            (drop_in / "emulated.conf").write_text(EMULATED)
        machine.install(*(f"sensorpi-{role}" for role in roles))
        machines[name] = machine
    return machines


def test_readings_are_computed_on_the_worker(nodes: dict[str, Machine]) -> None:
    worker, master = nodes["worker01"], nodes["master02"]
    worker.wait_active("sensorpi-kafka.service", "sensorpi-kafka-topics.service", WORKER, limit_s=400)
    master.wait_active("sensorpi-influxdb-setup.service", MASTER, JOB, limit_s=400)
    wait_for("readings", lambda: count(master) >= 3, 300)
    assert master.status(MASTER) == "1 workers, 1 job"
    assert worker.status(WORKER) == "1 executors, of spark://10.0.0.12:7077"
    assert {name: machine.failed() for name, machine in nodes.items()} == dict.fromkeys(nodes, "")


def listener(line: str) -> str:
    """The address in a line of ss. Java's IPv4 addresses look like IPv6."""
    return re.sub(r"\[::ffff:(.+)\]", r"\1", line.split()[3])


def test_only_the_pages_are_on_loopback(nodes: dict[str, Machine]) -> None:
    ports = range(7077, 7084)
    listening = {name: sorted(map(listener, machine.do("ss", "-Hltn").splitlines())) for name, machine in nodes.items()}
    found = {name: [each for each in all_ if int(each.rsplit(":", 1)[1]) in ports] for name, all_ in listening.items()}
    assert found == {
        "worker01": ["10.0.0.21:7078", "10.0.0.21:7081", "127.0.0.1:7083"],
        "master02": ["10.0.0.12:7077", "10.0.0.12:7079", "10.0.0.12:7080", "127.0.0.1:7082"],
    }


def test_the_job_goes_on_after_the_worker_and_the_master_restart(nodes: dict[str, Machine]) -> None:
    worker, master = nodes["worker01"], nodes["master02"]
    worker.reboot()
    worker.wait_active("sensorpi-kafka.service", WORKER, limit_s=400)
    before = count(master)
    wait_for("readings", lambda: count(master) >= before + 3, 300)
    master.do("systemctl", "restart", MASTER)
    before = count(master)
    wait_for("readings", lambda: count(master) >= before + 3, 300)
    assert {name: machine.failed() for name, machine in nodes.items()} == dict.fromkeys(nodes, "")


def test_a_local_job_needs_no_daemons(nodes: dict[str, Machine]) -> None:
    worker, master = nodes["worker01"], nodes["master02"]
    for machine in nodes.values():
        (machine.root / "etc/sensorpi/cluster.toml").write_text(LOCAL)
        machine.do("sensorpi", "config", "apply")
    for machine, unit, file in ((worker, WORKER, WORKER_FILE), (master, MASTER, MASTER_FILE)):
        wait_for("the end of the daemon", lambda machine=machine, unit=unit: machine.state(unit) == "inactive")  # type: ignore[misc]
        assert machine.try_("ls", f"/run/sensorpi/{file}").returncode != 0
        assert unit.removesuffix(".service") not in machine.try_("sensorpi", "status").stdout
    master.wait_active(JOB, limit_s=240)
    before = count(master)
    wait_for("readings", lambda: count(master) >= before + 3, 120)
