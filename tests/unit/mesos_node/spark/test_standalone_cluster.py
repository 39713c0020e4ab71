"""Spark's standalone cluster from the cluster file: who runs what, with which limits, and the secret."""

from pathlib import Path

import pytest

from sensorpi.common.cluster.model import Cluster, example_text, parse
from sensorpi.common.cluster.spark import spark_master_url, spark_ports
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.daemons.offer import offer_of
from sensorpi.mesos_node.launcher import ProbeError
from sensorpi.mesos_node.spark.daemon import SparkDaemon
from sensorpi.mesos_node.spark.probe import master_probe
from sensorpi.mesos_node.spark.systemd_units import systemd_units
from tests.fakes.clusters import ONE_NODE, shipped, spark_cluster_of

KEY = bytes(range(32))
MASTER = '[spark]\nmaster = "spark://10.0.0.12:7077"'
WORKER_UNIT, MASTER_UNIT = "sensorpi-spark-worker.service", "sensorpi-spark-master.service"


def cluster(more: str = "") -> Cluster:
    return parse(example_text().replace("[spark]", f"{MASTER}\n{more}"), "cluster.toml")


def names(of: Cluster, node: str) -> list[str]:
    return [unit.name for unit in systemd_units(of, of.node(node), KEY)]


def daemon(node: str, tmp_path: Path, of: Cluster | None = None) -> SparkDaemon:
    (tmp_path / "jars").mkdir(exist_ok=True)
    (tmp_path / "jars/spark-core_2.12-3.5.7.jar").touch()
    whole = of or cluster()
    return SparkDaemon(whole, whole.node(node), KEY, tmp_path / "state", tmp_path)


def test_the_job_in_one_process_needs_no_daemon(tmp_path: Path) -> None:
    assert names(shipped(), "master02") == names(shipped(), "worker01") == []
    with pytest.raises(UserError, match=r'\[spark\] master = "local": no standalone master'):
        daemon("worker01", tmp_path, shipped())


def test_the_master_is_on_its_node_and_a_worker_on_every_worker() -> None:
    of = cluster()
    found = {node.name: names(of, node.name) for node in of.nodes}
    assert found == {
        "sensor01": [], "worker01": [WORKER_UNIT], "worker02": [WORKER_UNIT], "worker03": [WORKER_UNIT],
        "master01": [], "master02": [MASTER_UNIT],
    }  # fmt: skip


def test_under_mesos_they_are_tasks_and_no_units() -> None:
    of = spark_cluster_of(2)
    assert names(of, "w0") == names(of, "w1") == names(of, "m") == []


def test_an_agent_offers_the_masters_port() -> None:
    of = parse(ONE_NODE + '[spark]\nmaster = "spark://box:9077"\n', "cluster.toml")
    assert (9077, 9077) in offer_of(of, of.node("box")).ports


def test_a_units_file_has_no_secret_and_its_settings_change() -> None:
    [before], [after] = (systemd_units(of, of.node("worker01"), KEY) for of in (cluster(), cluster("worker_cores = 2")))
    assert dict(before.files) == {"spark-worker.conf": "spark://10.0.0.12:7077\n"}
    assert before.settings != after.settings
    assert before.needs_key


def test_a_worker_uses_its_address_its_cores_and_its_memory(tmp_path: Path) -> None:
    command = daemon("worker02", tmp_path, cluster("worker_cores = 2\nexecutor_heap_mb = 128")).worker_command()
    assert command[-13:] == [
        *("--host", "10.0.0.22", "--port", "7078", "--webui-port", "7083", "--work-dir", f"{tmp_path}/state/work"),
        *("--cores", "2", "--memory", "128M", "spark://10.0.0.12:7077"),
    ]


def test_a_master_uses_its_address_and_its_page_only_loopback(tmp_path: Path) -> None:
    master = daemon("master02", tmp_path)
    assert master.master_command()[-6:] == ["--host", "10.0.0.12", "--port", "7077", "--webui-port", "7082"]
    assert master.environment()["SPARK_LOCAL_IP"] == "127.0.0.1"


def test_the_secret_is_in_a_file_only_and_the_same_on_every_node(tmp_path: Path) -> None:
    worker, master = daemon("worker01", tmp_path), daemon("master02", tmp_path)
    lines = [
        file.splitlines() for file in (worker.files()["spark-defaults.conf"], master.files()["spark-defaults.conf"])
    ]
    assert lines[0] == lines[1]
    [secret] = [line.split()[1] for line in lines[0] if line.startswith("spark.authenticate.secret ")]
    assert "spark.authenticate true" in lines[0]
    assert len(secret) == 32
    assert not any(secret in word for word in [*worker.worker_command(), *master.master_command()])
    assert secret not in worker.environment().values()


def test_one_machine_talks_over_loopback() -> None:
    of = parse(ONE_NODE + '[spark]\nmaster = "spark://192.0.2.7:7077"\n', "cluster.toml")
    assert spark_master_url(of) == "spark://127.0.0.1:7077"
    assert names(of, "box") == [MASTER_UNIT, WORKER_UNIT]


def test_the_ports_follow_the_first() -> None:
    ports = spark_ports(cluster("first_port = 9000").spark)
    assert (ports.worker, ports.driver, ports.driver_blocks, ports.executor_blocks) == (9000, 9001, 9002, 9003)


def test_a_worker_without_spark_says_what_to_install(tmp_path: Path) -> None:
    whole = cluster()
    bare = SparkDaemon(whole, whole.node("worker01"), KEY, tmp_path, tmp_path)
    with pytest.raises(UserError, match=r"/jars: Spark is not installed; apt install sensorpi-spark"):
        bare.worker_command()


def test_a_page_that_nobody_serves_is_no_success() -> None:
    with pytest.raises(ProbeError, match=r"^127\.0\.0\.1:1: .*refused"):
        master_probe(1, "spark://10.0.0.12:7077")()
