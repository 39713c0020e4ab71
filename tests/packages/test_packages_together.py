"""All four roles on one fresh machine: from the installation to a reading on the dashboard, and to the removal."""

import json

import pytest

from tests.packages.conftest import NewMachine
from tests.packages.machine import ADDRESS, Machine, wait_for

ROLES = ("sensor", "mesos-worker", "mesos-master", "influx-grafana")
PACKAGES = [f"sensorpi-{role}" for role in ROLES]
TARGETS = [f"sensorpi-{role}.target" for role in ROLES]
SERVICES = [
    "sensorpi-config.service", "sensorpi-sensor.service", "sensorpi-kafka.service", "sensorpi-kafka-topics.service",
    "sensorpi-spark-job.service", "sensorpi-influxdb-setup.service", "sensorpi-influxdb-watch.service",
    "sensorpi-dashboard.service", "influxdb.service",
]  # fmt: skip

#: There is no board in a container, so the same driver reads the emulated one.
EMULATED = "[Service]\nExecStart=\nExecStart=/usr/bin/sensorpi sensor run --board emulated\n"

#: Files of the test itself, of apt and of systemd.
NOT_OURS = (
    "/etc/apt/", "/etc/sensorpi-ready", "/etc/systemd/system/sensorpi-sensor.service.d", "/tmp/", "/usr/share/keyrings",
    "/var/cache/", "/var/lib/apt/", "/var/log/", "/var/tmp/",
)  # fmt: skip

#: Sends Kafka's request ApiVersions, and prints correlation id and error of the response.
API_VERSIONS = """
import socket, struct, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10) as link:
    link.sendall(struct.pack(">ihhih", 10, 18, 0, 7, -1))
    print(*struct.unpack(">ih", link.recv(10, socket.MSG_WAITALL)[4:]))
"""
TOPICS = """
import kafka
print(*sorted(kafka.KafkaConsumer(bootstrap_servers="127.0.0.1:7000").topics()))
"""

#: The maximum wait for a JVM on two cores that other programs use as well.
START_S = 240.0

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module", params=[pytest.param("bookworm", marks=pytest.mark.ci), "trixie"])
def machine(request: pytest.FixtureRequest, new_machine: NewMachine) -> Machine:
    """A machine of that suite with every role and an emulated board. The tests depend on each other."""
    machine = new_machine(request.param)
    drop_in = machine.root / "etc/systemd/system/sensorpi-sensor.service.d"
    drop_in.mkdir(parents=True)
    (drop_in / "emulated.conf").write_text(EMULATED)
    machine.install(*PACKAGES)
    return machine


def reader(machine: Machine) -> tuple[str, str]:
    """User and password with read access."""
    lines = machine.do("cat", "/run/sensorpi/dashboard.env").splitlines()
    return "reader", dict(line.split("=", 1) for line in lines)["SENSORPI_READER_PASSWORD"]


def query(machine: Machine, influxql: str) -> list[list[object]]:
    """The rows of the first series of a query, which is sent on the machine itself."""
    user, password = reader(machine)
    answer = machine.do(
        "curl", "-sS", "-G", "-u", f"{user}:{password}", "http://127.0.0.1:8086/query",
        "--data-urlencode", "db=sensordata", "--data-urlencode", f"q={influxql}",
    )  # fmt: skip
    [result] = json.loads(answer)["results"]
    assert "error" not in result, result
    series = result.get("series", [])
    values: list[list[object]] = series[0]["values"] if series else []
    return values


def count(machine: Machine) -> int:
    """How many readings InfluxDB has."""
    rows = query(machine, "SELECT count(sequence) FROM sensor")
    return int(str(rows[0][1])) if rows else 0


def main_pids(machine: Machine) -> dict[str, str]:
    return {
        unit: machine.do("systemctl", "show", "--value", "-p", "MainPID", unit).strip()
        for unit in SERVICES
        if machine.do("systemctl", "show", "--value", "-p", "Type", unit).strip() != "oneshot"
    }


def listeners(machine: Machine) -> set[str]:
    """Address and port of everything that listens."""
    lines = machine.do("ss", "-Hltn").splitlines()
    return {line.split()[3].replace("[::ffff:127.0.0.1]", "127.0.0.1") for line in lines}


def test_every_service_runs_after_the_installation(machine: Machine) -> None:
    machine.wait_active(*TARGETS, *SERVICES, limit_s=START_S)
    assert machine.failed() == ""


def test_a_reading_travels_from_the_board_to_influxdb(machine: Machine) -> None:
    wait_for("a reading in InfluxDB", lambda: count(machine) >= 3, START_S)
    [[_, temperature, pressure]] = query(machine, "SELECT last(temperature), pressure FROM sensor")
    assert -40 < float(str(temperature)) < 85
    assert 30_000 < float(str(pressure)) < 110_000


def test_the_dashboard_serves_it_on_the_lan(machine: Machine) -> None:
    page = machine.do("curl", "-sS", "--fail", f"http://{ADDRESS}:8080/")
    assert "<html" in page.lower()
    assert machine.do("curl", "-sS", "--fail", f"http://{ADDRESS}:8080/healthz")


def test_the_restrictions_reach_our_services_and_no_other(machine: Machine) -> None:
    files = [line.split()[0] for line in machine.do("systemctl", "list-unit-files", "--no-legend").splitlines()]
    services = [name for name in files if name.endswith(".service") and "@" not in name]
    blocks = machine.do("systemctl", "show", "-p", "Id,DropInPaths", *services).split("\n\n")
    shown = [dict(line.split("=", 1) for line in block.splitlines()) for block in blocks]
    restricted = {each["Id"] for each in shown if "/50-hardening.conf" in each["DropInPaths"]}
    assert restricted == {name for name in services if name.startswith("sensorpi-")}
    assert {"sensorpi-config.service", "sensorpi-kafka.service", "sensorpi-sensor.service"} <= restricted


def test_the_units_of_cards_are_disabled(machine: Machine) -> None:
    lines = machine.do("systemctl", "list-unit-files", "--no-legend", "card-*.service").splitlines()
    assert {tuple(line.split()[:2]) for line in lines} == {
        (f"card-{name}.service", "disabled") for name in ("grow", "setup", "ssh-keys")
    }


def test_nothing_else_listens_beyond_loopback(machine: Machine) -> None:
    assert {address for address in listeners(machine) if "127.0.0.1" not in address} == {"0.0.0.0:8080"}
    assert {"127.0.0.1:7000", "127.0.0.1:7001", "127.0.0.1:8086", "127.0.0.1:8088"} <= listeners(machine)


def test_each_port_answers_as_its_service(machine: Machine) -> None:
    for port in (7000, 7001):  # the broker and the controller
        assert machine.do("python3", "-c", API_VERSIONS, str(port)) == "7 0\n"
    assert machine.do("python3", "-c", TOPICS).split() == ["sensors", "sensors.dlq"]
    ping = ("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:8086/ping")
    assert machine.do(*ping) == "204"


def answer_without_password(machine: Machine) -> str:
    """The HTTP status of InfluxDB, or an empty string if it does not answer."""
    result = machine.try_(
        "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-G", "http://127.0.0.1:8086/query",
        "--data-urlencode", "q=SHOW DATABASES",
    )  # fmt: skip
    return result.stdout if result.returncode == 0 else ""


def test_influxdb_requires_a_password(machine: Machine) -> None:
    assert answer_without_password(machine) == "401"


def test_secrets_are_for_their_services_only(machine: Machine) -> None:
    modes = machine.do("stat", "-c", "%a %U:%G", "/etc/sensorpi/cluster.key", "/run/sensorpi/cluster.key")
    assert modes.splitlines() == ["640 root:sensorpi"] * 2
    assert machine.try_("runuser", "-u", "sensorpi-sensor", "--", "cat", "/etc/sensorpi/cluster.key").returncode != 0


def test_no_file_of_another_package_is_changed(machine: Machine) -> None:
    assert machine.do("dpkg", "--verify").strip() == ""


def test_a_setting_restarts_only_what_it_concerns(machine: Machine) -> None:
    before = main_pids(machine)
    machine.do("cp", "/run/sensorpi/cluster.toml", "/etc/sensorpi/cluster.toml")
    machine.shell("printf '[sensor]\\nrate_hz = 5.0\\n' >> /etc/sensorpi/cluster.toml")
    machine.do("sensorpi", "config", "apply")
    machine.wait_active("sensorpi-sensor.service")
    wait_for(
        "the sensor's restart", lambda: main_pids(machine)["sensorpi-sensor.service"] not in ("0", *before.values())
    )
    after = main_pids(machine)
    assert {unit for unit in before if before[unit] != after[unit]} == {"sensorpi-sensor.service"}


def test_a_mistake_on_a_running_node_changes_nothing(machine: Machine) -> None:
    before = main_pids(machine)
    machine.shell("cp /etc/sensorpi/cluster.toml /etc/good; echo 'rate = 1' >> /etc/sensorpi/cluster.toml")
    result = machine.try_("sensorpi", "config", "apply")
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "sensor.rate" in result.stderr
    assert main_pids(machine) == before


def test_a_boot_with_the_mistake_uses_the_last_good_copy(machine: Machine) -> None:
    machine.reboot()
    machine.wait_active(*TARGETS, *SERVICES, limit_s=START_S)
    assert "sensor.rate" in machine.journal("sensorpi-config.service")
    machine.shell("mv /etc/good /etc/sensorpi/cluster.toml")
    machine.do("sensorpi", "config", "apply")


def test_readings_continue_after_the_boot(machine: Machine) -> None:
    before = wait_for("InfluxDB", lambda: count(machine), START_S)
    wait_for("a reading after the boot", lambda: count(machine) > before, START_S)
    assert machine.failed() == ""


def test_killed_services_come_back(machine: Machine) -> None:
    before = main_pids(machine)
    machine.do("systemctl", "kill", "--kill-whom=all", "--signal=KILL", *before)
    wait_for("other processes", lambda: all(main_pids(machine)[unit] not in ("0", before[unit]) for unit in before))
    machine.wait_active(*before, limit_s=START_S)
    stored = wait_for("InfluxDB", lambda: count(machine), START_S)
    wait_for("a reading after the kill", lambda: count(machine) > stored, START_S)
    assert machine.failed() == ""


def test_a_target_acts_only_on_its_services(machine: Machine) -> None:
    before = main_pids(machine)
    machine.do("systemctl", "stop", "sensorpi-sensor.target")
    wait_for("the stop", lambda: machine.state("sensorpi-sensor.service") == "inactive")
    assert {unit: pid for unit, pid in main_pids(machine).items() if unit != "sensorpi-sensor.service"} == {
        unit: pid for unit, pid in before.items() if unit != "sensorpi-sensor.service"
    }
    machine.do("systemctl", "start", "sensorpi-sensor.target")
    machine.wait_active("sensorpi-sensor.service")


def test_a_reinstallation_restarts_only_running_python(machine: Machine) -> None:
    machine.do("systemctl", "stop", "sensorpi-influx-grafana.target")
    wait_for("the stop", lambda: machine.state("sensorpi-dashboard.service") == "inactive")
    before = main_pids(machine)
    machine.install("--reinstall", "sensorpi-common", *PACKAGES)
    wait_for(
        "the sensor's restart", lambda: main_pids(machine)["sensorpi-sensor.service"] not in ("0", *before.values())
    )
    after = main_pids(machine)
    assert {unit for unit in before if before[unit] != after[unit]} == {"sensorpi-sensor.service"}
    assert machine.state("sensorpi-dashboard.service") == "inactive"
    assert "rate_hz = 5.0" in machine.do("cat", "/etc/sensorpi/cluster.toml")
    machine.do("systemctl", "start", "sensorpi-influx-grafana.target")
    machine.wait_active("sensorpi-dashboard.service", "influxdb.service")


def test_removal_stops_the_services_and_keeps_the_data(machine: Machine) -> None:
    machine.do("apt-get", "remove", "-y", *PACKAGES)
    for unit in SERVICES:
        if unit not in ("influxdb.service", "sensorpi-config.service"):
            assert machine.state(unit) == "inactive", unit
    assert machine.failed() == ""
    assert machine.do("ls", "/var/lib/sensorpi/kafka/0/meta.properties", "/etc/sensorpi/cluster.toml")


def test_influxdb_still_requires_passwords_after_the_removal(machine: Machine) -> None:
    machine.do("systemctl", "restart", "influxdb.service")
    assert wait_for("InfluxDB", lambda: answer_without_password(machine)) == "401"


def test_a_later_installation_continues_with_the_data(machine: Machine) -> None:
    machine.install(*PACKAGES)
    machine.wait_active(*TARGETS, *SERVICES, limit_s=START_S)
    before = wait_for("InfluxDB", lambda: count(machine), START_S)
    wait_for("a reading", lambda: count(machine) > before, START_S)


def test_purge_removes_our_state_and_nothing_else(machine: Machine) -> None:
    machine.do("apt-get", "purge", "-y", "sensorpi-*")
    found = machine.shell(
        "find / -xdev '(' -path /proc -o -path /sys -o -path /srv ')' -prune -o -name '*sensorpi*' -print"
    )
    left = [path for path in found.split() if not path.startswith(NOT_OURS)]
    assert left == ["/etc/systemd/system/influxdb.service.d/sensorpi.conf"]
    assert "/var/cache/sensorpi" not in found.split()
    assert machine.do("ls", "/var/lib/influxdb/data/sensordata")
    assert machine.failed() == ""
    for user in ("sensorpi-kafka", "sensorpi-job", "sensorpi-sensor", "sensorpi-dashboard"):
        assert machine.do("passwd", "--status", user).split()[1] == "L"
