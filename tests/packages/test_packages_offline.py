"""Boots without a network: address and link come later, or never."""

import pytest

from tests.packages.conftest import NewMachine
from tests.packages.machine import ADDRESS, Machine, wait_for
from tests.packages.test_packages_alone import ONE_NODE
from tests.packages.test_packages_together import EMULATED, PACKAGES, SERVICES, START_S, TARGETS, count

#: With another machine in the cluster, the services use the network.
OTHER_NODE = """
[nodes.there]
address = "192.0.2.11"
roles = ["sensor"]
"""

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def machine(new_machine: NewMachine) -> Machine:
    """A fresh machine with every role, unplugged before its first boot with them."""
    machine = new_machine("bookworm")
    drop_in = machine.root / "etc/systemd/system/sensorpi-sensor.service.d"
    drop_in.mkdir(parents=True)
    (drop_in / "emulated.conf").write_text(EMULATED)
    machine.unplug()
    machine.install(*PACKAGES)
    return machine


def test_a_one_machine_cluster_starts_without_a_network(machine: Machine) -> None:
    machine.reboot()
    machine.wait_active(*TARGETS, *SERVICES, limit_s=START_S)
    wait_for("a reading in InfluxDB", lambda: count(machine) >= 3, START_S)
    assert machine.failed() == ""


def test_a_node_of_a_cluster_waits_for_its_address(machine: Machine) -> None:
    """The file names the node only by its address, which the machine had when it applied the file."""
    machine.plug_in()
    (machine.root / "etc/sensorpi/cluster.toml").write_text(ONE_NODE + OTHER_NODE)
    machine.do("sensorpi", "config", "apply")
    assert machine.do("cat", "/run/sensorpi/node") == "here\n"
    machine.halt()
    machine.unplug()
    machine.boot()
    machine.wait_active("sensorpi-config.service")
    assert ADDRESS not in machine.do("ip", "address")
    assert machine.do("cat", "/run/sensorpi/node") == "here\n"
    machine.wait_active(*TARGETS, "sensorpi-sensor.service", "sensorpi-dashboard.service", limit_s=START_S)
    wait_for("InfluxDB", lambda: count(machine) >= 3, START_S)
    assert machine.failed() == ""
    machine.plug_in()
    machine.wait_active(*SERVICES, limit_s=START_S)
    before = count(machine)
    wait_for("a reading after the address came", lambda: count(machine) > before, START_S)
    assert machine.failed() == ""
