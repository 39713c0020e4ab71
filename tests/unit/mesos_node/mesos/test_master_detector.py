"""The leader among the masters' nodes in ZooKeeper, as recorded and as they can be."""

import json

import pytest

from sensorpi.mesos_node.mesos.master_detector import address_of, leader_of
from tests.fakes.mesos_recordings import DIRECTORY

RECORDED: dict[str, str] = json.loads((DIRECTORY / "zookeeper-mesos-znode.json").read_text(encoding="utf-8"))


def test_the_recorded_node_names_its_master() -> None:
    name = leader_of(RECORDED)
    assert name == "json.info_0000000000"
    assert address_of(RECORDED[name].encode()) == "127.0.0.1:5050"


@pytest.mark.parametrize(
    ("contenders", "leader"),
    [
        ([], None),
        (["log_replicas"], None),
        (["info_0000000001"], None),  # the old binary format
        (["json.info_"], None),
        (["json.info_x"], None),
        (["json.info_0000000010", "json.info_0000000009", "log_replicas"], "json.info_0000000009"),
        (["json.info_9999999999", "json.info_10000000000"], "json.info_9999999999"),  # by number, not by text
    ],
)
def test_the_lowest_number_is_the_leader(contenders: list[str], leader: str | None) -> None:
    assert leader_of(contenders) == leader


def test_an_address_of_ipv6_is_bracketed() -> None:
    assert address_of(b'{"address":{"hostname":"m","ip":"fd00::1","port":5050}}') == "[fd00::1]:5050"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"{}", b'{"address":{"ip":"10.0.0.1"}}', b"\xff"])
def test_another_description_is_an_error(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a description of a Mesos master"):
        address_of(content)
