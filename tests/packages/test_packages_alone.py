"""Each role alone on a fresh machine, and machines with a mistake from the start."""

import pytest

from tests.packages.machine import ADDRESS, Machine, wait_for

pytestmark = pytest.mark.timeout(900)

#: A cluster of this machine only, with all roles, under its own address.
ONE_NODE = f"""
[nodes.here]
address = "{ADDRESS}"
roles = ["sensor", "mesos-worker", "mesos-master", "influx-grafana"]
"""


def waiting_line(machine: Machine, unit: str) -> str:
    machine.wait_active(unit)
    return wait_for("a status line", lambda: machine.status(unit))


@pytest.mark.parametrize(
    ("role", "unit"),
    [
        ("sensor", "sensorpi-sensor.service"),
        ("mesos-worker", "sensorpi-kafka.service"),
        ("mesos-master", "sensorpi-spark-job.service"),
    ],
)
def test_a_role_alone_waits_and_reports_what_for(machine: Machine, role: str, unit: str) -> None:
    machine.install(f"sensorpi-{role}")
    line = waiting_line(machine, unit)
    assert line.startswith("waiting for ")
    assert "sensorpi join FILE" in line
    machine.reboot()
    assert waiting_line(machine, unit) == line
    assert machine.failed() == ""
    machine.do("apt-get", "purge", "-y", "--auto-remove", f"sensorpi-{role}")
    assert machine.shell("ls /var/lib | grep sensorpi || true") == ""
    assert machine.failed() == ""


def test_a_worker_that_joins_runs_its_broker(machine: Machine) -> None:
    machine.install("sensorpi-mesos-worker")
    waiting_line(machine, "sensorpi-kafka.service")
    (machine.root / "cluster.toml").write_text(ONE_NODE)
    machine.do("sensorpi", "join", "/cluster.toml")
    wait_for("what is missing", lambda: "cluster.key" in machine.status("sensorpi-kafka.service"))
    machine.do("sensorpi", "cluster", "init")
    machine.do("sensorpi", "config", "apply")
    wait_for("the broker", lambda: "1 brokers" in machine.status("sensorpi-kafka.service"), 180)
    machine.wait_active("sensorpi-kafka-topics.service")


def test_influxdb_and_the_dashboard_need_no_other_role(machine: Machine) -> None:
    machine.install("sensorpi-influx-grafana")
    machine.wait_active(
        "influxdb.service",
        "sensorpi-influxdb-setup.service",
        "sensorpi-influxdb-watch.service",
        "sensorpi-dashboard.service",
    )
    assert machine.do("curl", "-sS", "--fail", f"http://{ADDRESS}:8080/healthz")
    assert machine.failed() == ""


def test_an_influxdb_with_other_databases_is_not_changed(machine: Machine) -> None:
    machine.do("apt-get", "install", "-y", "influxdb")
    machine.do("systemctl", "start", "influxdb.service")
    ask = ("curl", "-s", "http://127.0.0.1:8086/query", "--data-urlencode")
    wait_for("InfluxDB", lambda: machine.try_(*ask, "q=CREATE DATABASE collectd").returncode == 0)
    machine.install("sensorpi-influx-grafana")
    wait_for("the refusal", lambda: machine.state("sensorpi-influxdb-setup.service") == "failed")
    assert "collectd" in machine.journal("sensorpi-influxdb-setup.service")
    assert "collectd" in machine.do(*ask, "q=SHOW DATABASES")


def test_a_first_configuration_with_a_mistake_starts_nothing(machine: Machine) -> None:
    machine.shell("mkdir -p /etc/sensorpi && echo '[nodes.here]' > /etc/sensorpi/cluster.toml")
    output = machine.install("sensorpi-sensor", "sensorpi-mesos-worker")
    assert "nodes.here.address is missing" in output or "nodes.here" in machine.journal("sensorpi-config.service")
    assert machine.state("sensorpi-config.service") == "failed"
    assert machine.state("sensorpi-kafka.service") == "inactive"
    (machine.root / "etc/sensorpi/cluster.toml").write_text(ONE_NODE)
    machine.do("sensorpi", "cluster", "init")
    machine.do("sensorpi", "config", "apply")
    machine.wait_active("sensorpi-sensor.service", "sensorpi-kafka.service", limit_s=180)


def test_raspi_config_enables_i2c_once(machine: Machine) -> None:
    machine.shell("printf '#!/bin/sh\\necho \"$*\" >> /tmp/asked\\n' > /usr/bin/raspi-config")
    machine.do("chmod", "755", "/usr/bin/raspi-config")
    machine.install("sensorpi-sensor")
    machine.install("--reinstall", "sensorpi-sensor")
    assert machine.do("cat", "/tmp/asked").splitlines() == ["nonint do_i2c 0"]


def test_a_flashed_card_learns_who_it_is_from_its_boot_partition(machine: Machine) -> None:
    machine.install("sensorpi-mesos-worker")
    boot = machine.root / "boot/firmware"
    boot.mkdir()
    (boot / "sensorpi.toml").write_text(ONE_NODE)
    (boot / "cluster.key").write_bytes(bytes(32))
    machine.reboot()
    wait_for("the broker", lambda: "1 brokers" in machine.status("sensorpi-kafka.service"), 180)
    assert not (boot / "cluster.key").exists()
    assert machine.do("stat", "-c", "%a %U:%G", "/etc/sensorpi/cluster.key").strip() == "640 root:sensorpi"
