"""What follows from the nodes: brokers, voters, replication, addresses."""

import pytest

from sensorpi.common.cluster.model import parse
from tests.fakes.clusters import cluster_of


@pytest.mark.parametrize(
    ("workers", "voters", "replication_factor", "min_insync_replicas"),
    [(1, 1, 1, 1), (2, 1, 2, 1), (3, 3, 3, 2), (4, 3, 3, 2), (7, 3, 3, 2)],
)
def test_replication_and_an_odd_quorum_follow_from_the_workers(
    workers: int, voters: int, replication_factor: int, min_insync_replicas: int
) -> None:
    cluster = cluster_of(workers)
    assert len(cluster.voters) == voters
    assert cluster.replication_factor == replication_factor
    assert cluster.min_insync_replicas == min_insync_replicas


def test_a_brokers_id_is_its_place_among_the_workers() -> None:
    cluster = cluster_of(4)
    assert [cluster.broker_id(cluster.node(f"w{i}")) for i in range(4)] == [0, 1, 2, 3]


def test_a_client_is_given_every_broker() -> None:
    assert cluster_of(2).bootstrap_servers == "10.0.1.10:7000,10.0.1.11:7000"


def test_one_machine_talks_over_loopback_whatever_its_address() -> None:
    roles = '["mesos-worker", "mesos-master", "influx-grafana"]'
    cluster = parse(f'[nodes.box]\naddress = "192.0.2.7"\nroles = {roles}\n', "cluster.toml")
    assert cluster.bootstrap_servers == "127.0.0.1:7000"
    assert cluster.influxdb_url == "http://127.0.0.1:8086"


def test_an_ipv6_address_stands_in_brackets() -> None:
    text = (
        '[nodes.w]\naddress = "fd00::21"\nroles = ["mesos-worker"]\n'
        '[nodes.m]\naddress = "fd00::9"\nroles = ["mesos-master", "influx-grafana"]\n'
    )
    cluster = parse(text, "cluster.toml")
    assert cluster.bootstrap_servers == "[fd00::21]:7000"
    assert cluster.influxdb_url == "http://[fd00::9]:8086"
