"""The job on a real standalone cluster of Spark: a master and a worker, each run by `sensorpi spark` as on a node."""

import json
import os
import re
import shutil
import signal
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyspark
import pytest

from onebox.home import ROOT
from onebox.process import Service
from sensorpi.common.cluster.model import Cluster, load
from sensorpi.common.cluster.spark import SparkPorts, spark_ports, spark_secret
from tests.integration.pipeline_fixture import Pipeline
from tests.integration.ports import ports_in_a_row
from tests.integration.waiting import wait_until

#: Several JVMs, one after the other.
pytestmark = pytest.mark.timeout(900)

COMMAND = str(Path(sys.executable).with_name("sensorpi"))
HOME = Path(pyspark.__file__).parent

#: Has the Python that computes on a worker call itself 3.99.
ANOTHER_PYTHON = """
import sys
if "sensorpi.pipeline.job.worker_daemon" in sys.orig_argv:
    Version = type("Version", (tuple,), {"major": 3, "minor": 99, "micro": 0})
    sys.version_info = Version((3, 99, 0, "final", 0))
"""


@dataclass
class SparkCluster:
    """The three processes, over the pipeline's Kafka and InfluxDB."""

    pipeline: Pipeline
    config: Path
    folder: Path
    master: Service
    worker: Service
    job: Service

    @property
    def parts(self) -> tuple[Service, ...]:
        """The first one to stop comes first."""
        return self.job, self.worker, self.master

    @property
    def cluster(self) -> Cluster:
        return load(self.config / "cluster.toml")

    @property
    def ports(self) -> SparkPorts:
        return spark_ports(self.cluster.spark)

    def worker_page(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports.worker_page}/json/", timeout=10) as answer:
            state: dict[str, Any] = json.load(answer)
            return state

    def log(self, name: str) -> str:
        file = self.folder / f"{name}.log"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def processes(self) -> dict[int, str]:
        """Process id -> command line, of all three and of what they started."""
        roots = [service.pid for service in self.parts if service.pid is not None]
        found: dict[int, str] = {}
        while roots:
            pid = roots.pop()
            try:
                found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                for task in Path(f"/proc/{pid}/task").iterdir():
                    roots += [int(child) for child in (task / "children").read_text().split()]
            except FileNotFoundError:
                continue
        return found


@pytest.fixture(scope="module")
def stopped_spark(running_pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    """The cluster, yet to be started."""
    folder = tmp_path_factory.mktemp("spark-cluster")
    config = folder / "config"
    shutil.copytree(running_pipeline.stages.home.config, config)
    first = ports_in_a_row(7)
    more = f'[spark]\nmaster = "spark://127.0.0.1:{first}"\nfirst_port = {first + 1}\n'
    text = (config / "cluster.toml").read_text()
    (config / "cluster.toml").write_text(re.sub(r"\[spark\]\nmaster = .*\n", more, text))
    environment = os.environ | {"SENSORPI_CONFIG": str(config), "PYTHONUNBUFFERED": "1"}

    def service(name: str, *arguments: str) -> Service:
        argv = [COMMAND, *arguments, "--state", str(folder / name)]
        return Service(name, argv, folder / f"{name}.log", environment)

    cluster = SparkCluster(
        running_pipeline, config, folder,
        service("master", "spark", "master", "--home", str(HOME)),
        service("worker", "spark", "worker", "--home", str(HOME)),
        service("job", "pipeline", "job", "--jars", str(ROOT / ".cache/jars/spark")),
    )  # fmt: skip
    try:
        yield cluster
    finally:
        for each in cluster.parts:
            each.close()


@pytest.fixture
def spark(stopped_spark: SparkCluster) -> SparkCluster:
    """The cluster with the job running on it, in place of the pipeline's own; a test may leave parts stopped."""
    stopped_spark.pipeline.service("spark").stop()
    # The job and the worker wait for the master, and the job for the worker.
    stopped = [each for each in stopped_spark.parts if each.pid is None]
    for each in stopped:
        each.start()
    for each in reversed(stopped):
        each.wait_until_ready(240)
    return stopped_spark


def test_readings_reach_influxdb_through_the_worker(spark: SparkCluster) -> None:
    sensor = spark.pipeline.new_sensor()
    spark.pipeline.send_readings(sensor, 2000)
    letter = spark.pipeline.send(b"no JSON")
    points = spark.pipeline.wait_for_points(sensor, 2000)
    assert sorted(point["sequence"] for point in points) == list(range(1, 2001))
    assert spark.pipeline.dead_letters({letter})[letter].value == b"no JSON"
    [executor] = spark.worker_page()["executors"]
    assert executor["memory"] == 192
    assert spark.worker_page()["cores"] == 1
    assert spark.master.status == "1 workers, 1 job"


def test_no_secret_is_on_a_command_line(spark: SparkCluster) -> None:
    secret = spark_secret((spark.config / "cluster.key").read_bytes())
    commands = spark.processes()
    assert any("CoarseGrainedExecutorBackend" in command for command in commands.values())
    assert not [command for command in commands.values() if secret in command]
    for name in ("master/conf", "worker/conf"):
        file = spark.folder / name / "spark-defaults.conf"
        assert secret in file.read_text()
        assert file.stat().st_mode & 0o007 == 0


def test_who_has_not_the_secret_is_refused(spark: SparkCluster, tmp_path: Path) -> None:
    """Without it, anyone who reaches the master could have the workers run code."""
    stranger = tmp_path / "config"
    shutil.copytree(spark.config, stranger)
    (stranger / "cluster.key").chmod(0o640)
    (stranger / "cluster.key").write_bytes(bytes(32))
    text = (stranger / "cluster.toml").read_text()
    first = ports_in_a_row(6)
    (stranger / "cluster.toml").write_text(
        text.replace(f"first_port = {spark.cluster.spark.first_port}", f"first_port = {first}")
    )
    argv = [COMMAND, "spark", "worker", "--home", str(HOME), "--state", str(tmp_path / "worker")]
    worker = Service("stranger", argv, tmp_path / "log", os.environ | {"SENSORPI_CONFIG": str(stranger)})
    try:
        worker.start()
        log = tmp_path / "log"
        wait_until(
            lambda: "Mismatched response" in log.read_text() or "SaslException" in log.read_text(), "the refusal"
        )
        assert not worker.ready
        assert spark.master.status == "1 workers, 1 job"
    finally:
        worker.close()


def test_a_master_that_restarts_knows_the_job(spark: SparkCluster) -> None:
    sensor, job = spark.pipeline.new_sensor(), spark.job.pid
    spark.master.kill()
    spark.pipeline.send_readings(sensor, 100)
    spark.pipeline.wait_for_points(sensor, 100, timeout_s=180)  # a job that has its worker needs no master
    spark.master.start()
    spark.master.wait_until_ready(240)
    wait_until(lambda: spark.master.status == "1 workers, 1 job", "the worker and the job back", timeout_s=180)
    spark.pipeline.send_readings(sensor, 100, first=101)
    points = spark.pipeline.wait_for_points(sensor, 200, timeout_s=180)
    assert sorted(point["sequence"] for point in points) == list(range(1, 201))
    assert spark.job.pid == job


def test_a_worker_that_dies_is_waited_for_and_said_once(spark: SparkCluster) -> None:
    sensor, job, before = spark.pipeline.new_sensor(), spark.job.pid, len(spark.log("job"))
    for pid, command in spark.processes().items():  # all of it at once, as when its machine loses power
        if "CoarseGrainedExecutorBackend" in command or "spark worker" in command or "deploy.worker" in command:
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: spark.worker.exit_status is not None, "the worker's end")
    spark.pipeline.send_readings(sensor, 1000)
    wait_until(lambda: "Computing on spark://" in spark.log("job")[before:], "the outage in the log")
    wait_until(lambda: spark.job.status == "waiting for Spark's workers", "the outage in the status")
    spark.worker.start()
    spark.worker.wait_until_ready(240)
    points = spark.pipeline.wait_for_points(sensor, 1000, timeout_s=180)
    assert sorted(point["sequence"] for point in points) == list(range(1, 1001))
    said = [line for line in spark.log("job")[before:].splitlines() if "Computing on" in line]
    assert ["is down" in said[0], "is back" in said[-1], len(said)] == [True, True, 2]
    assert spark.job.pid == job


def test_each_part_stops_cleanly(spark: SparkCluster) -> None:
    for service in spark.parts:
        service.terminate()
        wait_until(lambda service=service: service.exit_status is not None, service.name, timeout_s=40)  # type: ignore[misc]
        assert service.exit_status == 0, service.name


def test_a_worker_with_another_python_is_one_line(stopped_spark: SparkCluster, tmp_path: Path) -> None:
    spark = stopped_spark
    (tmp_path / "sitecustomize.py").write_text(ANOTHER_PYTHON)
    argv = [COMMAND, "spark", "worker", "--home", str(HOME), "--state", str(tmp_path / "worker")]
    environment = os.environ | {"SENSORPI_CONFIG": str(spark.config), "PYTHONPATH": str(tmp_path)}
    other = Service("other worker", argv, tmp_path / "log", environment)
    before = len(spark.log("job"))
    spark.job.stop()
    spark.worker.stop()
    if spark.master.pid is None:
        spark.master.start()
    try:
        other.start()
        other.wait_until_ready(240)
        spark.job.start()
        wait_until(lambda: spark.job.exit_status is not None, "the job's end", timeout_s=240)
    finally:
        other.close()
    assert spark.job.exit_status == 2
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    line = f"sensorpi: a Spark worker has Python 3.99 and the job {minor}: install the same Debian release on all nodes"
    assert line in spark.log("job")[before:].splitlines()
