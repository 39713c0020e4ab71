"""Grafana and Chronograf beside the storage role: both are fully configured at their first start."""

import pytest

from tests.packages.conftest import NewMachine
from tests.packages.machine import Machine, wait_for
from tests.packages.makers import chronograf, grafana

pytestmark = pytest.mark.timeout(900)

SERVICES = ("grafana-server.service", "chronograf.service")


@pytest.fixture(scope="module", params=["before", "after"])
def machine(
    request: pytest.FixtureRequest, new_machine: NewMachine, tmp_path_factory: pytest.TempPathFactory
) -> Machine:
    """A machine with the storage role, and with Grafana and Chronograf installed before or after it."""
    machine = new_machine("bookworm")
    folder = tmp_path_factory.mktemp("makers")
    for deb in (grafana(folder), chronograf(folder)):
        (machine.root / "srv" / deb.name).write_bytes(deb.read_bytes())
    theirs = ["/srv/grafana_99_all.deb", "/srv/chronograf_99_all.deb"]
    steps = [theirs, ["sensorpi-influx-grafana"]]
    for packages in steps if request.param == "before" else reversed(steps):
        machine.install(*packages)
    return machine


def starts(machine: Machine, name: str) -> list[str]:
    """What it found at each start."""
    return (machine.root / f"var/lib/{name}/starts").read_text().split("start\n")[1:]


def test_the_role_wants_them(machine: Machine) -> None:
    machine.wait_active("sensorpi-influxdb-setup.service", *SERVICES)
    assert machine.failed() == ""


def test_grafana_is_provisioned_at_its_first_start(machine: Machine) -> None:
    [found] = starts(machine, "grafana")
    rendered = machine.do("cat", "/run/sensorpi/grafana.env").splitlines()
    assert any(line.startswith("GF_SECURITY_ADMIN_PASSWORD=") and len(line) > 40 for line in rendered)
    assert set(rendered) <= set(found.splitlines())
    assert "type: influxdb" in found
    assert {"envirophat.json", "pipeline.json"} <= set(found.splitlines())


def test_chronograf_has_its_connection_at_its_first_start(machine: Machine) -> None:
    [found] = starts(machine, "chronograf")
    assert set(machine.do("cat", "/run/sensorpi/chronograf.env").splitlines()) <= set(found.splitlines())
    assert {"envirophat.dashboard", "sensorpi.src"} <= set(found.splitlines())


def test_the_roles_switch_and_a_boot_act_on_them(machine: Machine) -> None:
    machine.do("systemctl", "stop", "sensorpi-influx-grafana.target")
    for unit in SERVICES:
        wait_for(f"the stop of {unit}", lambda unit=unit: machine.state(unit) == "inactive")  # type: ignore[misc]
    machine.reboot()
    machine.wait_active(*SERVICES)
    assert machine.failed() == ""


def test_nothing_of_theirs_is_changed_and_they_stay(machine: Machine) -> None:
    assert machine.do("dpkg", "--verify") == ""
    machine.do("apt-get", "purge", "-y", "sensorpi-*")
    assert machine.do("systemctl", "cat", *SERVICES).count("sensorpi") == 0
    assert machine.do("sh", "-c", "ls /etc/grafana/provisioning/*/sensorpi.yaml 2>/dev/null || true") == ""
    assert machine.failed() == ""
