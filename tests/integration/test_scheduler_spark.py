"""Spark's own master and worker as tasks of the scheduler, with real ZooKeeper; broker and job are stand-ins."""

import os
import shlex
import signal
from pathlib import Path
from typing import Any

import pyspark
import pytest

from sensorpi.common.cluster.model import load
from sensorpi.common.cluster.spark import spark_master_url, spark_ports
from sensorpi.mesos_node.launcher import ProbeError
from sensorpi.mesos_node.spark.probe import master_probe
from tests.integration.kafka_fixture import COMMAND
from tests.integration.ports import ports_in_a_row
from tests.integration.scheduler_fixture import SchedulerCluster
from tests.integration.waiting import wait_until

START_S = 150.0

_NODES = """\
engine = "mesos"
[nodes.w0]
address = "127.0.0.1"
roles = ["mesos-worker"]
memory_mb = 2048
[nodes.m0]
address = "127.0.2.1"
roles = ["mesos-master"]
[nodes.m1]
address = "127.0.2.2"
roles = ["mesos-master", "influx-grafana"]
[spark]
master = "spark://127.0.0.1:{port}"
first_port = {first_port}
"""

#: Spark of the test environment, with a state folder of the test's.
_SPARK = """\
#!/bin/sh
role=$1
shift
echo $$ >>{folder}/$role.starts
exec {command} spark $role --home {home} --state {folder}/$role "$@"
"""


def daemons(cluster: SchedulerCluster) -> dict[str, dict[str, Any]] | None:
    """Spark's daemons by name; None while no scheduler answers."""
    shown = cluster.status()
    return {each["name"]: each for each in shown["spark"]} if shown else None


def states(cluster: SchedulerCluster) -> set[str]:
    return {each["state"] for each in (daemons(cluster) or {}).values()}


@pytest.mark.timeout(900)  # three starts of a JVM
def test_sparks_daemons_are_tasks(tmp_path: Path) -> None:
    first = ports_in_a_row(7)
    program = tmp_path / "spark"
    values = {"folder": tmp_path, "command": COMMAND, "home": Path(pyspark.__file__).parent}
    program.write_text(_SPARK.format(**{name: shlex.quote(str(value)) for name, value in values.items()}))
    program.chmod(0o755)
    cluster = SchedulerCluster(
        tmp_path / "mesos",
        nodes=_NODES.format(port=first, first_port=first + 1),
        ports=range(first, first + 7),
        spark=str(program),
    )
    described = load(cluster.config / "cluster.toml")
    probe = master_probe(spark_ports(described.spark).master_page, str(spark_master_url(described)))

    def has_its_worker() -> bool:
        try:
            return probe() == "1 workers, 0 job"
        except ProbeError:
            return False

    def starts(role: str) -> list[int]:
        return [int(line) for line in (tmp_path / f"{role}.starts").read_text().split()]

    with cluster:
        wait_until(has_its_worker, "Spark's worker with its master", START_S, cluster.log)
        wait_until(lambda: cluster.job().get("state") == "running", "a running job", START_S)
        wait_until(lambda: states(cluster) == {"running"}, "health", START_S)
        assert {name: each["task"]["host"] for name, each in (daemons(cluster) or {}).items()} == {
            "spark-master": "w0",
            "spark-worker-0": "w0",
        }
        assert "spark-master: running on w0" in cluster.do("job", "status").splitlines()
        assert "Spark's master is ready" in cluster.do("job", "log", "spark-master", "--stderr")

        [scheduler] = [each for each in cluster.schedulers if each.running]
        scheduler.kill()
        os.kill(starts("worker")[0], signal.SIGKILL)
        scheduler.start()
        wait_until(lambda: len(starts("worker")) == 2, "the worker's next start", START_S, cluster.log)
        wait_until(has_its_worker, "the new worker with the old master", START_S)
        assert len(starts("master")) == 1

        file = cluster.config / "cluster.toml"
        file.write_text("".join(line for line in file.read_text().splitlines(True) if not line.startswith("master =")))
        scheduler.end()
        scheduler.start()
        wait_until(lambda: daemons(cluster) == {}, "the end of Spark's daemons", START_S, cluster.log)
        assert not has_its_worker()
        wait_until(lambda: len(cluster.starts("job")) == 2, "the job's start in local mode", START_S)
        wait_until(lambda: cluster.states() == ["running"], "the broker", START_S)
        assert len(cluster.starts("broker-0")) == 1
