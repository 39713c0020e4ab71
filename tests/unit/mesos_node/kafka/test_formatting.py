"""When a broker's folder is formatted, and when it must not be."""

from dataclasses import replace
from pathlib import Path

import pytest

from sensorpi.common.errors import UserError
from sensorpi.mesos_node.kafka.broker import Broker
from sensorpi.mesos_node.kafka.formatting import format_once, marker, needs_formatting
from tests.fakes.clusters import cluster_of

ID = "AAAAAAAAAAAAAAAAAAAAAA"


def broker_of(workers: int, index: int, data: Path) -> Broker:
    cluster = cluster_of(workers)
    return Broker(cluster, cluster.workers[index], data)


def formatted(broker: Broker, cluster_id: str = ID) -> None:
    broker.log_directory.mkdir(parents=True)
    (broker.log_directory / "meta.properties").write_text(f"#\nversion=1\ncluster.id={cluster_id}\nnode.id=0\n")
    marker(broker).write_text("w0\n")


def lost(broker: Broker) -> None:
    broker.log_directory.mkdir(parents=True)
    marker(broker).write_text("w0\n")


def nobody(listener: str) -> bool:
    return False


def everybody(listener: str) -> bool:
    return True


def test_a_first_start_formats(tmp_path: Path) -> None:
    assert needs_formatting(broker_of(3, 0, tmp_path), ID, nobody)


def test_a_formatted_folder_is_left_alone(tmp_path: Path) -> None:
    broker = broker_of(3, 0, tmp_path)
    formatted(broker)
    assert not needs_formatting(broker, ID, nobody)


@pytest.mark.parametrize(("workers", "index"), [(3, 0), (3, 2), (2, 1), (4, 3)])
def test_a_lost_folder_is_formatted_if_the_others_have_a_leader(tmp_path: Path, workers: int, index: int) -> None:
    broker = broker_of(workers, index, tmp_path)
    lost(broker)
    assert needs_formatting(broker, ID, everybody)


def test_a_lost_voter_asks_every_other_voter(tmp_path: Path) -> None:
    broker = broker_of(4, 1, tmp_path)
    lost(broker)
    with pytest.raises(UserError, match=r"/1 is empty, but broker 1 was formatted here before"):
        needs_formatting(broker, ID, lambda listener: listener == "10.0.1.10:7000")


def test_the_only_voter_is_never_formatted_again(tmp_path: Path) -> None:
    broker = broker_of(2, 0, tmp_path)
    lost(broker)
    with pytest.raises(UserError, match=r"/0 is empty, but broker 0 was formatted here before"):
        needs_formatting(broker, ID, everybody)


def test_the_data_of_another_cluster_is_refused(tmp_path: Path) -> None:
    broker = broker_of(1, 0, tmp_path)
    formatted(broker, cluster_id="BBBBBBBBBBBBBBBBBBBBBB")
    with pytest.raises(UserError, match=r"/0 belongs to another cluster \(B+\): is cluster\.key the right one\?$"):
        needs_formatting(broker, ID, everybody)


def test_workers_in_another_order_are_refused(tmp_path: Path) -> None:
    formatted(broker_of(3, 1, tmp_path))
    with pytest.raises(UserError, match=r"holds the data of broker 1, but cluster\.toml makes this node broker 0: "):
        needs_formatting(broker_of(3, 0, tmp_path), ID, everybody)


def test_a_power_cut_before_the_marker_is_made_good(tmp_path: Path) -> None:
    broker = broker_of(1, 0, tmp_path)
    formatted(broker)
    marker(broker).unlink()
    unused = tmp_path / "unused"

    assert not format_once(broker, ID, unused, unused, unused)

    assert marker(broker).read_text() == "w0\n"


def test_the_caller_can_know_that_the_folder_is_lost(tmp_path: Path) -> None:
    broker = replace(broker_of(3, 0, tmp_path), has_run=True)
    with pytest.raises(UserError, match=r"/0 is empty, but broker 0 was formatted here before"):
        needs_formatting(broker, ID, nobody)
    assert needs_formatting(broker, ID, everybody)


def test_an_added_broker_lives_beside_the_workers_own(tmp_path: Path) -> None:
    own = broker_of(3, 0, tmp_path)
    formatted(own)
    added = replace(own, number=7)
    assert needs_formatting(added, ID, nobody)
    formatted(added)
    assert not needs_formatting(own, ID, nobody)
