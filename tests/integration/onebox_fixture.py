"""`python -m onebox` as a user runs it: a process of its own, with a folder of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
READY_S = 120.0


def poll(condition: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
    """Wait until the condition holds; fail with ``what`` when it does not."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(0.05)


@dataclass(frozen=True)
class Ended:
    """What a run left on its outputs."""

    status: int
    stdout: str
    stderr: str

    @property
    def summary(self) -> dict[str, Any]:
        """The one line of standard output, as JSON."""
        assert self.status == 0, self.stderr
        [line] = self.stdout.splitlines()
        summary: dict[str, Any] = json.loads(line)
        return summary


class OneboxRun:
    """A `make run` under way in ``home``, its folder."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        self._stdout, self._stderr = (home.with_name(f"{home.name}.{name}") for name in ("stdout", "stderr"))
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "onebox", *arguments],
                cwd=ROOT,
                env=os.environ | {"SENSORPI_RUN": str(home)},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )

    @property
    def stderr(self) -> str:
        """What it has said so far."""
        return self._stderr.read_text(encoding="utf-8")

    @property
    def endpoints_file(self) -> Path:
        """Where everything listens."""
        return self.home / "endpoints.json"

    def endpoints(self) -> dict[str, Any]:
        """The content of endpoints.json, once it is there."""
        poll(lambda: self.endpoints_file.exists() or self.process.poll() is not None, "endpoints.json", READY_S)
        assert self.process.poll() is None, self.stderr
        endpoints: dict[str, Any] = json.loads(self.endpoints_file.read_text(encoding="utf-8"))
        return endpoints

    def ended(self, timeout_s: float = READY_S) -> Ended:
        """Wait for the end."""
        status = self.process.wait(timeout_s)
        return Ended(status, self._stdout.read_text(encoding="utf-8"), self.stderr)

    def close(self) -> None:
        """End it, whatever state it is in; its parts end with it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


def onebox(home: Path, *arguments: str) -> Ended:
    """Run it to its end."""
    run = OneboxRun(home, *arguments)
    try:
        return run.ended()
    finally:
        run.close()


def query(home: Path, influxql: str) -> list[dict[str, Any]]:
    """The rows of `--query … --json`, each as column -> value, times in ms."""
    run = subprocess.run(
        [sys.executable, "-m", "onebox", "--query", influxql, "--json"],
        cwd=ROOT, env=os.environ | {"SENSORPI_RUN": str(home)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    [line] = run.stdout.splitlines()
    [statement] = json.loads(line)["results"]
    return [
        dict(zip(series["columns"], values, strict=True))
        for series in statement.get("series", [])
        for values in series["values"]
    ]


def descendants(pid: int) -> dict[int, str]:
    """Every process below ``pid``: pid -> what identifies it for good (its start time)."""
    parents: dict[int, list[tuple[int, str]]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        if (fields := _stat(stat)) is not None:
            parents.setdefault(int(fields[1]), []).append((int(stat.parent.name), fields[19]))
    found: dict[int, str] = {}
    below = [pid]
    while below:
        for child, started in parents.get(below.pop(), []):
            found[child] = started
            below.append(child)
    return found


def still_running(processes: dict[int, str]) -> dict[int, str]:
    """Those of ``descendants``' processes that run still."""
    running = {}
    for pid, started in processes.items():
        fields = _stat(Path(f"/proc/{pid}/stat"))
        if fields is not None and fields[19] == started and fields[0] != "Z":
            running[pid] = started
    return running


def _stat(file: Path) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on; None for a process that is gone."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def listening_addresses(pids: set[int]) -> set[str]:
    """The addresses, in the kernel's hexadecimal, on which these processes listen over TCP."""
    sockets = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(str(link.readlink()))
            except FileNotFoundError:
                continue
    rows = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text(encoding="utf-8").splitlines()[1:]
    ]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}
