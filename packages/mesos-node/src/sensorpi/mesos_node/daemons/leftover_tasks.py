"""Ends the tasks that an agent has left behind in its service's cgroup.

An agent that stops leaves its tasks running, and finds them again when it starts. No agent returns to them when the
machine shuts down, or when cluster.toml names the other engine.
"""

import contextlib
import logging
import os
import signal
import subprocess
import time
from pathlib import Path

_log = logging.getLogger(__name__)

_UNIT = "sensorpi-mesos-agent.service"
_MOUNTS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/systemd"))


def no_agent_will_start(config: Path) -> bool:
    """Whether no agent will start here again: the engine is now another one, or the machine shuts down."""
    return not (config / "engine-mesos").exists() or _system_state() == "stopping"


def _system_state() -> str:
    try:
        result = subprocess.run(["systemctl", "is-system-running"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return result.stdout.strip()


def end_tasks(grace_s: float) -> None:
    """Send SIGTERM to every other process of the agent's service, and SIGKILL after ``grace_s``.

    Does nothing when this process is not in that service.
    """
    procs = service_processes(Path("/proc/self/cgroup").read_text(encoding="ascii"))
    if procs is None:
        return
    if left := _others(procs):
        _log.warning("ending %d processes of tasks", len(left))
    _signal(left, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while (left := _others(procs)) and time.monotonic() < deadline:
        time.sleep(0.2)
    if left:
        _log.error("%d processes of tasks did not stop within %g s and are killed", len(left), grace_s)
        _signal(left, signal.SIGKILL)


def service_processes(cgroups: str, mounts: tuple[Path, ...] = _MOUNTS) -> Path | None:
    """The cgroup.procs of the agent's service, given /proc/self/cgroup; ``None`` when this process is not in it.

    When the agent is started by hand in a terminal, its cgroup also holds the user's other programs.
    """
    paths = {line.split(":", 2)[2].strip("/") for line in cgroups.splitlines()}
    for path in paths:
        if path.rpartition("/")[2] == _UNIT:
            for mount in mounts:
                if (mount / path / "cgroup.procs").exists():
                    return mount / path / "cgroup.procs"
    return None


def _others(procs: Path) -> list[int]:
    return [pid for pid in map(int, procs.read_text(encoding="ascii").split()) if pid != os.getpid()]


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
