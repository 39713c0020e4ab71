"""A cluster on loopback whose brokers and job the scheduler runs on Mesos: its processes, and the commands."""

import getpass
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sensorpi.common.cluster.model import load
from sensorpi.common.cluster.secrets import make_key
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.scheduler.api_client import SchedulerUnavailable, api_client
from tests.integration.kafka_fixture import COMMAND
from tests.integration.mesos_fixture import MesosCluster, Program
from tests.integration.ports import free_ports, ports_in_a_row
from tests.integration.waiting import wait_until

#: Longer than a scheduler's session in ZooKeeper, and than Mesos takes to mark an agent unreachable.
RECOVER_S = 60.0

#: Less than by default, so that the test of it ends sooner.
JOB_AGENT_TIMEOUT_S = 20.0

_TASK = Path(__file__).parents[1] / "fakes/task_program.py"

#: Worker w0 is where ZooKeeper is, so its address is that one's.
_NODES = """\
engine = "mesos"
[nodes.w0]
address = "127.0.0.1"
roles = ["mesos-worker"]
memory_mb = 2048
[nodes.w1]
address = "127.0.1.2"
roles = ["mesos-worker"]
[nodes.w2]
address = "127.0.1.3"
roles = ["mesos-worker"]
[nodes.m0]
address = "127.0.2.1"
roles = ["mesos-master"]
[nodes.m1]
address = "127.0.2.2"
roles = ["mesos-master", "influx-grafana"]
"""


class SchedulerCluster:
    """Three workers, some masters, two schedulers of which the first is started; tasks leave traces in ``folder``."""

    def __init__(
        self, directory: Path, masters: int = 1, task: Sequence[str] = (), real_mesos: bool = False,
        nodes: str = _NODES, ports: Sequence[int] = (), spark: str = "",
    ) -> None:  # fmt: skip
        """``task`` are the words of the brokers' command; without, a stand-in's.

        ``spark`` is the command of Spark's daemons, ``nodes`` is the beginning of the cluster file; agents offer
        ``ports`` besides the brokers'.
        """
        self.port, self.controller_port, api_port = free_ports(3)
        self.folder = directory / "tasks"
        self.folder.mkdir(parents=True)
        first = ports_in_a_row(11)
        offered = ",".join(f"{port}-{port}" for port in (self.port, self.controller_port, *ports))
        hosts = tuple(re.findall(r"^\[nodes\.(w\d)\]$", nodes, re.MULTILINE))
        self.mesos = MesosCluster(directory, masters, hosts, real_mesos, f"{offered},{first}-{first + 10}", cpus=4)
        self.config = directory / "config"
        self.config.mkdir()
        (self.config / "cluster.toml").write_text(
            f"{nodes}[kafka]\nport = {self.port}\ncontroller_port = {self.controller_port}\n"
            f"[mesos]\nzookeeper_port = {self.mesos.zookeeper.port}\napi_port = {api_port}\n"
            f"job_agent_timeout_s = {JOB_AGENT_TIMEOUT_S:g}\n"
        )
        make_key(self.config / "cluster.key")
        key = (self.config / "cluster.key").read_bytes()
        self._api = api_client(load(self.config / "cluster.toml"), key)
        stand_in = [sys.executable, str(_TASK), str(self.folder), str(self.controller_port)]
        words = ["--task-config", str(self.config), "--task-user", getpass.getuser()]
        words += ["--spark-command", spark] if spark else []
        words += ["--broker-command", " ".join(task or stand_in), "--job-command", " ".join(stand_in)]
        self.schedulers = [
            Program(
                [str(COMMAND), "scheduler", "run", "--config", str(self.config), "--node", f"m{n}", *words],
                directory / f"scheduler{n}.log",
            )
            for n in range(2)
        ]

    def __enter__(self) -> "SchedulerCluster":
        self.mesos.__enter__()
        try:
            self.schedulers[0].start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        for each in self.schedulers:
            if each.running:
                each.kill()
        self.mesos.close()

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run `sensorpi` with these words."""
        return subprocess.run(
            [COMMAND, *words, "--config", self.config], capture_output=True, text=True, timeout=900, env=os.environ
        )

    def do(self, *words: str) -> str:
        """Run `sensorpi` with these words, which must succeed; its output."""
        result = self.command(*words)
        assert result.returncode == 0, result.stderr + self.log()
        return result.stdout

    def status(self) -> dict[str, Any]:
        """What the scheduler's API shows; empty while no scheduler answers. Asking costs less than a command does."""
        try:
            return self._api.get("/v1/status")
        except (SchedulerUnavailable, UserError):
            return {}

    def brokers(self) -> dict[int, dict[str, Any]]:
        """The brokers by id; none while no scheduler answers."""
        return {each["id"]: each for each in self.status().get("brokers", [])}

    def job(self) -> dict[str, Any]:
        """The job; empty while no scheduler answers."""
        return self.status().get("job") or {}

    def states(self) -> list[str]:
        """The brokers' states, in the order of their ids."""
        return [each["state"] for each in self.brokers().values()]

    def settle(self) -> None:
        """Wait until the three brokers and the job run."""
        wait_until(lambda: self.states() == ["running"] * 3, "three running brokers", RECOVER_S, self.log)
        wait_until(lambda: self.job().get("state") == "running", "a running job", RECOVER_S)
        wait_until(self._job_has_begun, "the job's first words, after RUNNING was reported")

    def _job_has_begun(self) -> bool:
        return (self.folder / "job.starts").exists() and Path(f"/proc/{self.starts('job')[-1]}").exists()

    def starts(self, name: str) -> list[int]:
        """The process ids of the stand-in with which a task was started, in order."""
        return [int(line) for line in (self.folder / f"{name}.starts").read_text().split()]

    def rss_mb(self) -> float:
        """The resident memory of the running scheduler."""
        process = next(each.process for each in self.schedulers if each.running)
        assert process is not None
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def assert_no_doubles(self) -> None:
        """No two tasks of a broker ever ran at the same time."""
        assert not (self.folder / "doubles").exists(), (self.folder / "doubles").read_text()

    def log(self) -> str:
        """The schedulers' logs."""
        return "".join(each.output() for each in self.schedulers if each.log.exists())
