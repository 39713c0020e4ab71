"""server.properties: what each broker of a cluster is told."""

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.common.cluster.model import parse
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.kafka.broker import Broker, escape_value
from sensorpi.mesos_node.kafka.topics import topic_specs
from tests.fakes.clusters import ONE_NODE, cluster_of, shipped

DATA = Path("/data")


def broker_of(workers: int, index: int) -> Broker:
    cluster = cluster_of(workers)
    return Broker(cluster, cluster.workers[index], DATA)


def unescape(text: str) -> str:
    """Read a value the way java.util.Properties.load does."""
    units, at = b"", 0
    while at < len(text):
        if text[at] != "\\":
            units += text[at].encode("utf-16-be")
            at += 1
        elif text[at + 1] == "u":
            units += bytes.fromhex(text[at + 2 : at + 6])
            at += 6
        else:
            units += text[at + 1].encode("utf-16-be")
            at += 2
    return units.decode("utf-16-be", "surrogatepass")


@pytest.mark.parametrize(
    ("workers", "index", "roles", "voters"),
    [
        (1, 0, "broker,controller", "0@10.0.1.10:7001"),
        (2, 1, "broker", "0@10.0.1.10:7001"),
        (3, 2, "broker,controller", "0@10.0.1.10:7001,1@10.0.1.11:7001,2@10.0.1.12:7001"),
        (4, 3, "broker", "0@10.0.1.10:7001,1@10.0.1.11:7001,2@10.0.1.12:7001"),
    ],
)
def test_the_first_workers_vote_and_all_know_the_voters(workers: int, index: int, roles: str, voters: str) -> None:
    properties = broker_of(workers, index).properties()
    assert properties["process.roles"] == roles
    assert properties["controller.quorum.voters"] == voters
    assert properties["node.id"] == str(index)
    assert ("CONTROLLER://" in properties["listeners"]) == ("controller" in roles)


@pytest.mark.parametrize(("workers", "factor", "in_sync"), [(1, "1", "1"), (2, "2", "1"), (3, "3", "2"), (5, "3", "2")])
def test_kafkas_own_topics_are_replicated_like_ours(workers: int, factor: str, in_sync: str) -> None:
    properties = broker_of(workers, 0).properties()
    factors = [value for key, value in properties.items() if key.endswith("replication.factor")]
    assert len(factors) == 4
    assert set(factors) == {factor}
    assert {properties[key] for key in properties if "min.i" in key} == {in_sync}


def test_a_worker_listens_everywhere_and_advertises_its_address() -> None:
    properties = broker_of(3, 1).properties()
    assert properties["listeners"] == "PLAINTEXT://0.0.0.0:7000,CONTROLLER://0.0.0.0:7001"
    assert properties["advertised.listeners"] == "PLAINTEXT://10.0.1.11:7000,CONTROLLER://10.0.1.11:7001"


def test_one_machine_listens_on_loopback_only() -> None:
    cluster = parse(ONE_NODE, "cluster.toml")
    properties = Broker(cluster, cluster.nodes[0], DATA).properties()
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:7000,CONTROLLER://127.0.0.1:7001"
    assert properties["advertised.listeners"] == "PLAINTEXT://127.0.0.1:7000,CONTROLLER://127.0.0.1:7001"


def test_data_lies_in_a_folder_of_the_brokers_id() -> None:
    assert broker_of(3, 2).properties()["log.dirs"] == "/data/2"


@pytest.mark.parametrize("topic", [0, 1])
def test_the_broker_takes_the_largest_message_of_each_topic(topic: int) -> None:
    spec = topic_specs(cluster_of(3))[topic]
    assert int(broker_of(3, 0).properties()["message.max.bytes"]) >= int(spec.settings["max.message.bytes"])


def test_the_heap_is_the_files_and_the_log_cleaner_fits_it() -> None:
    broker = broker_of(3, 0)
    command = broker.java_command(Path("/jars"), Path("/log4j2.xml"), "kafka.Kafka", "/server.properties")
    assert "-Xmx128m" in command
    assert command[-4:] == ["-cp", "/jars/*", "kafka.Kafka", "/server.properties"]
    assert int(broker.properties()["log.cleaner.dedupe.buffer.size"]) <= 128 * 1024 * 1024 // 8


def test_no_broker_runs_on_a_node_without_the_role() -> None:
    cluster = shipped()
    with pytest.raises(UserError, match=r"^sensor01 does not have the role mesos-worker"):
        Broker(cluster, cluster.node("sensor01"), DATA)


def test_the_same_file_gives_the_same_text() -> None:
    assert broker_of(3, 1).properties_text() == broker_of(3, 1).properties_text()


@given(st.text())
def test_java_reads_back_the_value_that_was_escaped(value: str) -> None:
    escaped = escape_value(value)
    assert unescape(escaped) == value
    assert set(escaped) <= set(string.printable) - set("\r\n\t\x0b\x0c")
    assert not escaped.startswith(" ")


def test_a_broker_beyond_the_workers_does_not_vote() -> None:
    cluster = cluster_of(3)
    broker = Broker(
        cluster, cluster.workers[1], Path("/data"), number=7, own_port=31000, own_heap_mb=256,
        options={"num.io.threads": "2"}, jvm_options="-Xint -Duser.timezone='UTC'",
    )  # fmt: skip
    properties = broker.properties()
    assert properties["process.roles"] == "broker"
    assert properties["node.id"] == "7"
    assert properties["listeners"] == "PLAINTEXT://0.0.0.0:31000"
    assert properties["advertised.listeners"] == "PLAINTEXT://10.0.1.11:31000"
    assert properties["log.dirs"] == "/data/7"
    assert properties["num.io.threads"] == "2"
    assert len(broker.other_voters) == 3
    command = broker.java_command(Path("jars"), Path("log4j2.xml"), "Main")
    assert "-Xmx256m" in command
    assert command.index("-Xint") + 1 == command.index("-Duser.timezone=UTC")


def test_a_workers_broker_is_no_other_workers() -> None:
    cluster = cluster_of(3)
    with pytest.raises(UserError, match="broker 0 belongs to w0, and this node is w1"):
        Broker(cluster, cluster.workers[1], Path("/data"), number=0)


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ({"number": -1}, "--id -1: expected a number from 0 to 9999"),
        ({"own_port": 65536}, "--port 65536: expected"),
        ({"own_heap_mb": 0}, "--heap 0: expected"),
        ({"jvm_options": "-Da='b"}, "--jvm-options -Da='b: No closing quotation"),
    ],
)
def test_a_setting_that_is_not_valid_is_one_line(settings: dict[str, Any], mistake: str) -> None:
    cluster = broker_of(1, 0).cluster
    with pytest.raises(UserError) as error:
        Broker(cluster, cluster.workers[0], DATA, **settings)
    assert str(error.value).startswith(mistake)


def test_what_makes_a_broker_cannot_be_set() -> None:
    cluster = cluster_of(1)
    with pytest.raises(UserError, match=r"broker 0: node\.id comes from cluster\.toml"):
        Broker(cluster, cluster.workers[0], Path("/data"), options={"node.id": "1"})
