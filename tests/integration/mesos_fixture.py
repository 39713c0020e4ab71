"""ZooKeeper, Mesos masters and agents on loopback: real ones if asked for and on PATH, else the stand-ins."""

import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.integration.ports import free_ports
from tests.integration.waiting import wait_until

DOUBLE = Path(__file__).parents[1] / "fakes/mesos"

#: As Debian's package has them; its manifest names the jars that it needs.
_ZOOKEEPER_JARS = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"


class Program:
    """One process with its log, which can be ended in several ways and started again."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.command, self.log = command, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its log is continued."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process is not None and self.process.poll() is None

    def end(self, number: int = signal.SIGTERM) -> None:
        """Send the signal and wait for the end."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(timeout=30)

    def kill(self) -> None:
        """SIGKILL."""
        self.end(signal.SIGKILL)

    def output(self) -> str:
        """Its whole log."""
        return self.log.read_text(encoding="utf-8", errors="replace")


class ZooKeeper(Program):
    """A single server on loopback."""

    def __init__(self, directory: Path) -> None:
        [self.port] = free_ports(1)
        self.hosts = f"127.0.0.1:{self.port}"
        directory.mkdir(parents=True)
        configuration = directory / "zoo.cfg"
        configuration.write_text(
            f"tickTime=500\ndataDir={directory}/data\nclientPortAddress=127.0.0.1\nclientPort={self.port}\n"
            "admin.enableServer=false\n4lw.commands.whitelist=ruok\n",
            encoding="ascii",
        )
        java = ["java", "-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", _ZOOKEEPER_JARS]
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        super().__init__([*java, main, str(configuration)], directory / "log")

    def start(self) -> None:
        """Start it and wait until it answers."""
        before = len(self.output()) if self.log.exists() else 0
        super().start()
        wait_until(lambda: "PrepRequestProcessor" in self.output()[before:] or not self.running, "ZooKeeper")
        assert self.running, self.output()


class Master(Program):
    """One master."""

    def __init__(self, program: str, directory: Path, zookeeper: str, quorum: int, more: list[str]) -> None:
        [self.port] = free_ports(1)
        self.address = f"127.0.0.1:{self.port}"
        flags = [
            f"--zk=zk://{zookeeper}/mesos",
            f"--quorum={quorum}",
            "--ip=127.0.0.1",
            f"--port={self.port}",
            "--hostname=127.0.0.1",
            "--no-hostname_lookup",
            f"--work_dir={directory}",
            "--cluster=sensorpi",
            "--zk_session_timeout=2secs",
            "--agent_ping_timeout=1secs",
            "--max_agent_ping_timeouts=3",
        ]
        super().__init__([program, *flags, *more], directory.with_suffix(".log"))

    def is_leader(self) -> bool:
        """Whether it takes calls: it does not redirect them, and has recovered. This one is invalid."""
        return self._answers() == 400

    def follows(self) -> bool:
        """Whether it knows that another one is the leader."""
        return self._answers() == 307

    def _answers(self) -> int | None:
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            with opener.open(f"http://{self.address}/api/v1/scheduler", b"{}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return None


class Agent(Program):
    """One agent, with room for some tasks."""

    def __init__(self, program: str, directory: Path, zookeeper: str, hostname: str, ports: str, cpus: int) -> None:
        [self.port] = free_ports(1)
        self.address = f"127.0.0.1:{self.port}"
        self.work_dir = directory
        self.resources = f"--resources=cpus:{cpus};mem:2048;disk:2048;ports:[{ports}]"
        flags = [
            f"--master=zk://{zookeeper}/mesos",
            "--ip=127.0.0.1",
            f"--port={self.port}",
            f"--hostname={hostname}",
            f"--work_dir={directory}",
            f"--runtime_dir={directory}.run",
            "--attributes=node:worker01;rack:r1",
            "--recover=reconnect",
            "--reconfiguration_policy=additive",
            "--gc_delay=10mins",
            "--launcher=posix",
            "--switch_user",
            "--no-systemd_enable_support",
        ]
        super().__init__([program, *flags, self.resources], directory.with_suffix(".log"))


class MesosCluster:
    """All of one cluster, within a ``with``, after which nothing of it is left."""

    def __init__(
        self, directory: Path, masters: int = 1, hostnames: tuple[str, ...] = ("worker01",), real: bool = False,
        ports: str = "31000-31100", more: list[str] | None = None, cpus: int = 2,
    ) -> None:  # fmt: skip
        """``more`` are flags for the masters."""
        self.directory = directory
        where = "" if real else f"{DOUBLE}/"
        self.zookeeper = ZooKeeper(directory / "zookeeper")
        hosts = self.zookeeper.hosts
        self.masters = [
            Master(f"{where}mesos-master", directory / f"master{n}", hosts, (masters + 1) // 2, more or [])
            for n in range(masters)
        ]
        self.agents = [
            Agent(f"{where}mesos-agent", directory / f"agent{n}", hosts, hostname, ports, cpus)
            for n, hostname in enumerate(hostnames)
        ]

    @property
    def leader(self) -> Master:
        """The leading master; waits for one."""
        wait_until(lambda: any(each.is_leader() for each in self.masters if each.running), "a leading master", 40)
        return next(each for each in self.masters if each.running and each.is_leader())

    def __enter__(self) -> Self:
        try:
            self.zookeeper.start()
            for each in (*self.masters, *self.agents):
                each.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End everything, also executors and tasks."""
        for each in (*self.agents, *self.masters, self.zookeeper):
            if each.running:
                each.kill()
        deadline = time.monotonic() + 10
        while (left := list(_processes_of(self.directory))) and time.monotonic() < deadline:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: object) -> None:
        return None


def _processes_of(directory: Path) -> Iterator[int]:
    """The processes whose sandbox, or whose description as an executor, is in the folder."""
    mark = f"{directory}/".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"Z" in (process / "stat").read_bytes().rpartition(b")")[2].split()[:1]:
                continue
            if mark in (process / "cmdline").read_bytes() or b"=" + mark in (process / "environ").read_bytes():
                yield int(process.name)


def has_real_mesos() -> bool:
    """Whether PATH has programs other than the stand-in."""
    found = [shutil.which(name) for name in ("mesos-master", "mesos-agent")]
    return all(path is not None and Path(path).resolve().parent != DOUBLE for path in found)


@pytest.fixture(params=["double", pytest.param("real", marks=pytest.mark.mesos)])
def real_mesos(request: pytest.FixtureRequest) -> bool:
    """Which Mesos a test runs on: a test with this parameter runs on both, where both are present."""
    if request.param == "real" and not has_real_mesos():
        pytest.skip("no real mesos-master and mesos-agent on PATH")
    return bool(request.param == "real")
