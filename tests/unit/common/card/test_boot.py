"""What a card of our own images sets up at each boot."""

import pytest

from sensorpi.common.card.boot import network_files
from sensorpi.common.cluster.model import Node


@pytest.mark.parametrize(
    ("address", "line"), [("10.0.0.21", "Address=10.0.0.21/24"), ("fd00::15", "Address=fd00::15/64")]
)
def test_a_node_has_its_address_on_each_of_its_networks(address: str, line: str) -> None:
    files = network_files(Node("worker01", address, ("mesos-worker",)))
    assert set(files) == {"20-wired.network.d/address.conf", "30-wifi.network.d/address.conf"}
    assert all(text == f"[Network]\n{line}\n" for text in files.values())


def test_a_node_that_is_found_by_name_gets_its_address_by_dhcp() -> None:
    assert network_files(Node("worker01", "worker01.local", ("mesos-worker",))) == {}
