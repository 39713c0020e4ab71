"""An address that cannot be another node's is a mistake in a cluster of several nodes."""

import pytest

from sensorpi.common.cluster.addresses import why_unreachable, with_prefix
from sensorpi.common.cluster.model import parse
from sensorpi.common.errors import UserError
from tests.fakes.clusters import ONE_NODE


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("127.0.1.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("localhost", "name for itself"),
        ("localhost.localdomain", "name for itself"),
        ("ip6-localhost", "name for itself"),
        ("0.0.0.5", "no machine can have it"),
        ("fe80::1", "link-local"),
        ("169.254.1.2", "link-local"),
        ("255.255.255.255", "no machine can have it"),
        ("10.0.0.0", "the first or last address of its network, a /24"),
        ("10.0.0.255", "the first or last address of its network, a /24"),
        ("fd00::", "the first or last address of its network, a /64"),
        ("fd00::ffff:ffff:ffff:ffff", "the first or last address of its network, a /64"),
    ],
)
def test_it_is_a_mistake_among_several_nodes(address: str, reason: str) -> None:
    assert reason in str(why_unreachable(address))
    two = f'[nodes.two]\naddress = "{address}"\nroles = ["sensor"]\n'
    with pytest.raises(UserError) as mistake:
        parse(ONE_NODE + two, "c.toml")
    assert str(mistake.value).startswith("c.toml: nodes.two.address = ")
    assert reason in str(mistake.value)
    alone = ONE_NODE.replace('"192.0.2.7"', f'"{address}"')
    assert alone != ONE_NODE
    assert parse(alone, "c.toml").is_one_machine


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "10.0.0.254", "fd00::1", "worker01.local", "localhoster", "::ffff:10.0.0.1"]
)
def test_another_nodes_address_is_good(address: str) -> None:
    assert why_unreachable(address) is None


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "224.0.0.251", "ff02::fb"])
def test_an_address_of_no_single_machine_is_a_mistake(address: str) -> None:
    with pytest.raises(UserError, match=r"^c\.toml: nodes\.two\.address = .* expected an address of one machine"):
        parse(f'{ONE_NODE}[nodes.two]\naddress = "{address}"\nroles = ["sensor"]\n', "c.toml")


def test_several_nodes_can_share_a_machine() -> None:
    text = ONE_NODE.replace("192.0.2.7", "127.0.0.1")
    assert len(parse(f'{text}[nodes.two]\naddress = "127.0.0.2"\nroles = ["sensor"]\n', "c.toml").nodes) == 2


@pytest.mark.parametrize(
    ("address", "expected"),
    [("10.0.0.1", "10.0.0.1/24"), ("fd00::1", "fd00::1/64"), ("a.local", None)],
)
def test_a_card_gets_the_address_with_its_prefix(address: str, expected: str | None) -> None:
    assert with_prefix(address) == expected
