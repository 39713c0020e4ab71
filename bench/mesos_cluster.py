"""The scheduler on loopback with ZooKeeper, a Mesos master and three agents; brokers and job are `task.py`'s."""

import getpass
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onebox.home import ROOT
from onebox.process import Service
from sensorpi.common.cluster.model import load
from sensorpi.common.cluster.secrets import make_key
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.scheduler.api_client import ApiClient, SchedulerUnavailable, api_client

_START_S = 120.0
_COMMAND = str(Path(sys.executable).with_name("sensorpi"))
#: As Debian's package has them; its manifest names the jars that it needs.
_ZOOKEEPER_JARS = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"

#: Worker w0 is where ZooKeeper is, so its address is that one's.
_CLUSTER = """\
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
roles = ["mesos-master", "influx-grafana"]
[kafka]
port = {kafka}
controller_port = {controller}
[mesos]
zookeeper_port = {zookeeper}
api_port = {api}
"""


@dataclass(frozen=True)
class MesosCluster:
    """The running scheduler and its API."""

    scheduler: Service
    api: ApiClient

    def workloads(self) -> list[dict[str, Any]]:
        """The three brokers and the job as the scheduler shows them; none while it does not answer."""
        try:
            status = self.api.get("/v1/status")
        except (SchedulerUnavailable, UserError):
            return []
        return [*status["brokers"], *([status["job"]] if status["job"] else [])]

    def tasks(self) -> list[str]:
        """The ids of the four tasks; fewer when not all of them run."""
        return [each["task"]["id"] for each in self.workloads() if each["state"] == "running"]


@contextmanager
def mesos_cluster(folder: Path, mesos: Path) -> Iterator[MesosCluster]:
    """All of it, ready, with its files in ``folder``; ``mesos`` holds mesos-master and mesos-agent.

    Raises UserError when a part does not start.
    """
    kafka, controller, zookeeper, api, master, *agents = _free_ports(8)
    config = folder / "etc"
    config.mkdir()
    (config / "cluster.toml").write_text(
        _CLUSTER.format(kafka=kafka, controller=controller, zookeeper=zookeeper, api=api)
    )
    make_key(config / "cluster.key")
    client = api_client(load(config / "cluster.toml"), (config / "cluster.key").read_bytes())
    task = f"{sys.executable} {ROOT / 'bench/task.py'} {controller}"
    with ExitStack() as parts:

        def start(name: str, argv: list[str], is_ready: Callable[[], bool] | None) -> Service:
            service = Service(name, argv, folder / f"{name}.log")
            parts.callback(service.close)
            service.start()
            service.wait_until_ready(_START_S, is_ready)
            return service

        parts.callback(_kill_processes_of, folder)  # executors outlive their agent
        start("zookeeper", _zookeeper(folder, zookeeper), lambda: _listens(zookeeper))
        at = f"zk://127.0.0.1:{zookeeper}/mesos"
        start("master", _master(folder, mesos, at, master), lambda: _listens(master))
        for number, port in enumerate(agents):
            argv = _agent(folder, mesos, at, number, port, (kafka, controller))
            start(f"agent{number}", argv, lambda port=port: _listens(port))  # type: ignore[misc]
        words = ["--config", str(config), "--node", "m0", "--task-config", str(config), "--task-user",
                 getpass.getuser(), "--broker-command", task, "--job-command", task]  # fmt: skip
        scheduler = start("scheduler", [_COMMAND, "scheduler", "run", *words], None)
        cluster = MesosCluster(scheduler, client)
        _wait_until(lambda: len(cluster.tasks()) == 4, "three brokers and the job run", folder / "scheduler.log")
        yield cluster


def _zookeeper(folder: Path, port: int) -> list[str]:
    configuration = folder / "zoo.cfg"
    configuration.write_text(
        f"tickTime=500\ndataDir={folder}/zookeeper\nclientPortAddress=127.0.0.1\nclientPort={port}\n"
        "admin.enableServer=false\n"
    )
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    return ["java", "-Xmx64m", "-XX:+UseSerialGC", "-cp", _ZOOKEEPER_JARS, main, str(configuration)]


def _master(folder: Path, mesos: Path, zookeeper: str, port: int) -> list[str]:
    return [
        str(mesos / "mesos-master"), f"--zk={zookeeper}", "--quorum=1", "--ip=127.0.0.1", f"--port={port}",
        "--hostname=127.0.0.1", "--no-hostname_lookup", f"--work_dir={folder}/master",
    ]  # fmt: skip


def _agent(folder: Path, mesos: Path, zookeeper: str, number: int, port: int, offered: tuple[int, ...]) -> list[str]:
    ports = ",".join(f"{each}-{each}" for each in offered)
    return [
        str(mesos / "mesos-agent"), f"--master={zookeeper}", "--ip=127.0.0.1", f"--port={port}",
        f"--hostname=w{number}", f"--work_dir={folder}/agent{number}", f"--runtime_dir={folder}/agent{number}.run",
        "--launcher=posix", "--no-systemd_enable_support",
        f"--resources=cpus:4;mem:2048;disk:2048;ports:[{ports}]",
    ]  # fmt: skip


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(each.getsockname()[1]) for each in sockets]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_until(condition: Callable[[], bool], what: str, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while not condition():
        if time.monotonic() > deadline:
            raise UserError(f"not within {_START_S:.0f} s: {what}\n{log.read_text(encoding='utf-8')}")
        time.sleep(0.5)


def _kill_processes_of(folder: Path) -> None:
    """End what has a path below the folder in its command line or environment."""
    mark = f"{folder}/".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (process / "cmdline").read_bytes() or mark in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
