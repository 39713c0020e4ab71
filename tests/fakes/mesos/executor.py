"""The command executor: one process for each task, which outlives the agent and reconnects to the next one."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from .health import HealthCheck, variables
from .link import Link
from .model import TERMINAL, ordered_status

Json = dict[str, Any]

_DEFAULT_GRACE_S = 3.0
_RETRY_S = 0.1
_FIRST_WORDS_S = 0.2


class Executor:
    """Runs one command and reports on it until the agent has stored its last status."""

    def __init__(self, spec: Json) -> None:
        self._spec = spec
        self._info: Json = spec["task_info"]
        self._lock = threading.RLock()
        self._updates: list[Json] = []
        self._link: Link | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._health: HealthCheck | None = None
        self._killing = self._unhealthy = False
        self._kept = threading.Event()

    def run(self) -> None:
        """Return when the command has ended and all was reported."""
        threading.Thread(target=self._stay_connected, daemon=True).start()
        self._say("TASK_STARTING")
        try:
            self._start()
        except (OSError, LookupError, ValueError) as error:
            self._say("TASK_FAILED", message=f"Failed to launch command: {error}")
        else:
            self._say("TASK_RUNNING")
            if self._health is not None:  # not before, or its first status could come first
                self._health.start()
            self._watch()
        self._kept.wait()

    def _start(self) -> None:
        command = self._info["command"]
        shell = command.get("shell", True)
        # RUNNING is reported when the command is forked, before its first words.
        words = f"sleep {_FIRST_WORDS_S}\n{command['value']}"
        what = ["/bin/sh", "-c", words] if shell else command.get("arguments") or [command["value"]]
        environment = {**os.environ, **self._spec["environment"], **variables(command)}
        user = self._spec["user"]
        self._process = subprocess.Popen(
            what,
            executable=None if shell else command["value"],
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **({"user": user, "group": _group(user), "extra_groups": _groups(user)} if user else {}),
        )
        Path(self._spec["pid_file"]).write_text(str(self._process.pid), encoding="ascii")
        print(f"Forked command at {self._process.pid}", file=sys.stderr, flush=True)
        if "health_check" in self._info:
            self._health = HealthCheck(
                self._info["health_check"], environment, Path.cwd(), self._take_health, self._kill_unhealthy
            )

    def _watch(self) -> None:
        process = self._process
        assert process is not None
        status = process.wait()
        if self._health is not None:
            self._health.stop()
        with suppress(ProcessLookupError):  # what it started and left behind
            os.killpg(process.pid, signal.SIGKILL)
        if status >= 0:
            message = f"Command exited with status {status}"
        else:
            message = f"Command terminated with signal {signal.strsignal(-status)}"
        with self._lock:
            state = "TASK_KILLED" if self._killing else "TASK_FINISHED" if status == 0 else "TASK_FAILED"
            self._say(state, message=message, healthy=False if self._unhealthy else None)

    def _take_health(self, healthy: bool) -> None:
        with self._lock:
            ended = self._process is None or self._process.returncode is not None
            if not self._killing and not ended:
                self._say("TASK_RUNNING", reason="REASON_TASK_HEALTH_CHECK_STATUS_UPDATED", healthy=healthy)

    def _kill_unhealthy(self) -> None:
        with self._lock:
            self._unhealthy = True
        self._kill(None)

    def _kill(self, policy: Json | None) -> None:
        grace = (policy or self._info.get("kill_policy") or {}).get("grace_period")
        grace_s = _DEFAULT_GRACE_S if grace is None else grace["nanoseconds"] / 1e9
        with self._lock:
            process, first = self._process, not self._killing
            self._killing = True
            if process is None or process.returncode is not None:
                return
            if first and self._spec["says_killing"]:
                self._say("TASK_KILLING")
        if self._health is not None:
            self._health.stop()
        _signal_group(process.pid, signal.SIGTERM)
        timer = threading.Timer(grace_s, _signal_group, (process.pid, signal.SIGKILL))
        timer.daemon = True
        timer.start()

    def _say(self, state: str, **more: Any) -> None:
        status = ordered_status(
            {
                "task_id": self._info["task_id"],
                "state": state,
                "source": "SOURCE_EXECUTOR",
                "agent_id": {"value": self._spec["agent_id"]},
                "executor_id": self._info["task_id"],
                "timestamp": time.time(),
                "uuid": base64.b64encode(uuid.uuid4().bytes).decode(),
                "container_status": {
                    "container_id": {"value": self._spec["container_id"]},
                    "network_infos": [{"ip_addresses": [{"protocol": "IPv4", "ip_address": self._spec["ip"]}]}],
                    "executor_pid": os.getpid(),
                },
                **more,
            }
        )
        with self._lock:
            self._updates.append(status)
            if self._link is not None:
                self._link.send({"update": status})

    def _stay_connected(self) -> None:
        address = "\0" + self._spec["socket"]
        last = time.monotonic()
        while time.monotonic() - last < self._spec["recovery_timeout_s"]:
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(address)
            except OSError:
                sock.close()
                time.sleep(_RETRY_S)
                continue
            ended = threading.Event()
            with self._lock:
                link = self._link = Link(sock)
                hello = {name: self._spec[name] for name in ("framework_id", "container_id")}
                link.send({"hello": hello | {"task_id": self._info["task_id"]["value"], "pid": os.getpid()}})
                for status in self._updates:
                    link.send({"update": status})
            link.start(self._take, ended.set)
            ended.wait()
            last = time.monotonic()
            if not self._spec["checkpoint"]:
                break
        if self._process is not None:
            _signal_group(self._process.pid, signal.SIGKILL)
        os._exit(1)

    def _take(self, message: Json) -> None:
        if "kill" in message:
            self._kill(message["kill"])
        elif "kept" in message:
            with self._lock:
                kept = [status for status in self._updates if status["uuid"] == message["kept"]]
                self._updates = [status for status in self._updates if status not in kept]
            if any(status["state"] in TERMINAL for status in kept):
                self._kept.set()


def _signal_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def _group(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def _groups(user: str) -> list[int]:
    return os.getgrouplist(user, _group(user))  # as the real one does


def main() -> None:
    """Run the command that the file describes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Executor(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))).run()
