"""A fresh machine is a cluster by itself; a role that cannot work alone waits with a reason."""

from pathlib import Path

import pytest

from sensorpi.common.cluster.model import example_text
from sensorpi.common.cluster.schema import ROLES
from sensorpi.common.config.effective import Effective, effective
from tests.fakes.clusters import ONE_NODE


def decide(directory: Path, text: str, installed: tuple[str, ...] = ROLES, host_name: str = "raspberrypi") -> Effective:
    (directory / "cluster.toml").write_text(text)
    return effective(directory, installed, host_name, owns=lambda address: False)


def test_the_example_makes_an_unknown_machine_its_own_cluster(tmp_path: Path) -> None:
    found = decide(tmp_path, example_text())
    assert found.node is not None
    assert (found.is_own, found.node.name, found.cluster.is_one_machine) == (True, "raspberrypi", True)
    assert found.waiting == {}


def test_an_example_that_names_the_machine_is_its_cluster(tmp_path: Path) -> None:
    found = decide(tmp_path, example_text(), ("mesos-worker",), host_name="worker02.local")
    assert found.node is not None
    assert (found.is_own, found.node.name, found.waiting) == (False, "worker02", {})


def test_a_named_node_is_never_a_cluster_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "node").write_text("sensor01\n")
    assert not decide(tmp_path, example_text(), ("sensor",)).is_own


@pytest.mark.parametrize("remembered", ["worker02", "raspberrypi", "gone", None])
def test_a_machine_without_name_and_address_stays_its_node(tmp_path: Path, remembered: str | None) -> None:
    (tmp_path / "cluster.toml").write_text(example_text())
    found = effective(tmp_path, ROLES, "raspberrypi", lambda address: False, remembered)
    assert found.node is not None
    assert (found.node.name, found.is_own) == (
        ("worker02", False) if remembered == "worker02" else ("raspberrypi", True)
    )


def test_an_edited_file_is_not_replaced(tmp_path: Path) -> None:
    found = decide(tmp_path, ONE_NODE, ("sensor",))
    assert (found.is_own, found.node) == (False, None)
    assert "this machine is not a node" in found.waiting["sensor"]


@pytest.mark.parametrize(
    ("installed", "waiting"),
    [
        (("sensor",), ["sensor"]),
        (("mesos-worker",), ["mesos-worker"]),
        (("mesos-master",), ["mesos-master"]),
        (("influx-grafana",), []),
        (("sensor", "mesos-worker"), []),
        (("mesos-master", "influx-grafana"), ["mesos-master"]),
        (("mesos-worker", "mesos-master", "influx-grafana"), []),
    ],
)
def test_a_role_alone_on_a_fresh_machine_waits(tmp_path: Path, installed: tuple[str, ...], waiting: list[str]) -> None:
    found = decide(tmp_path, example_text(), installed)
    assert list(found.waiting) == waiting
    assert all("sensorpi join FILE" in reason for reason in found.waiting.values())


def test_a_role_that_the_file_does_not_give_waits(tmp_path: Path) -> None:
    found = decide(tmp_path, example_text(), ("sensor", "mesos-worker"), host_name="worker01")
    assert list(found.waiting) == ["sensor"]


@pytest.mark.parametrize(("host_name", "node"), [("Pi-4.lan", "pi-4"), ("pi_4", "node"), ("", "node")])
def test_a_host_name_that_cannot_name_a_node_is_replaced(tmp_path: Path, host_name: str, node: str) -> None:
    found = decide(tmp_path, example_text(), host_name=host_name)
    assert found.node is not None
    assert found.node.name == node
