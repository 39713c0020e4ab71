"""Which node this machine is: by a name in a file, else by host name, else by one of its addresses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sensorpi.common.cluster.identity import identify, identify_or_fail, is_own_address
from sensorpi.common.cluster.model import Cluster
from sensorpi.common.errors import UserError
from tests.fakes.clusters import shipped


@pytest.fixture
def cluster() -> Cluster:
    return shipped()


def owner_of(*addresses: str) -> Callable[[str], bool]:
    return lambda address: address in addresses


def test_the_node_file_comes_first(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "node").write_text("worker02\n")
    node = identify(cluster, tmp_path, host_name="sensor01", owns=owner_of("10.0.0.21"))
    assert node == cluster.node("worker02")


@pytest.mark.parametrize("host_name", ["worker03", "worker03.local", "Worker03"])
def test_the_host_name_comes_before_an_address(cluster: Cluster, tmp_path: Path, host_name: str) -> None:
    assert identify(cluster, tmp_path, host_name, owner_of("10.0.0.21")) == cluster.node("worker03")


def test_an_own_address_tells_a_machine_of_another_name(cluster: Cluster, tmp_path: Path) -> None:
    assert identify(cluster, tmp_path, "raspberrypi", owner_of("10.0.0.21")) == cluster.node("worker01")


def test_a_machine_that_matches_nothing_is_not_a_node(cluster: Cluster, tmp_path: Path) -> None:
    assert identify(cluster, tmp_path, "raspberrypi", owner_of()) is None


def test_a_node_file_with_an_unknown_name_is_a_mistake(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "node").write_text("worker3")
    with pytest.raises(UserError, match=r'/node: no node "worker3" in the cluster; did you mean "worker03"\?$'):
        identify(cluster, tmp_path, "worker01", owner_of())


def test_a_wrong_name_on_the_command_line_is_a_mistake(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'^no node "wroker01" in the cluster; did you mean "worker01"\?$'):
        identify_or_fail(cluster, tmp_path, "wroker01")


def test_a_stranger_is_told_where_to_write_its_name(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not a node of the cluster.* write one of sensor01, .* into .*/node$"):
        identify_or_fail(cluster, tmp_path)


@pytest.mark.parametrize(
    ("address", "own"), [("127.0.0.1", True), ("::1", True), ("198.51.100.1", False), ("localhost", False)]
)
def test_an_own_address_is_one_the_kernel_binds_to(address: str, own: bool) -> None:
    assert is_own_address(address) is own
