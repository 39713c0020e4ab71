"""Mesos's health checks of a task that is a command; those over TCP connect to 127.0.0.1."""

import http.client
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_LOOPBACK = "127.0.0.1"


class HealthCheck:
    """Checks until told to stop; reports each failure, and each change to healthy."""

    def __init__(
        self,
        spec: Mapping[str, Any],
        environment: Mapping[str, str],
        directory: Path,
        on_health: Callable[[bool], None],
        on_unhealthy: Callable[[], None],
    ) -> None:
        """``on_unhealthy`` is called after as many consecutive failures as ``spec`` says."""
        self._spec, self._environment, self._directory = spec, environment, directory
        self._on_health, self._on_unhealthy = on_health, on_unhealthy
        self._stop = threading.Event()

    def start(self) -> None:
        """Check on a thread of its own."""
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        """Stop checking."""
        self._stop.set()

    def _run(self) -> None:
        interval_s = float(self._spec.get("interval_seconds", 10.0))
        grace_s = float(self._spec.get("grace_period_seconds", 10.0))
        most_failures = int(self._spec.get("consecutive_failures", 3))
        began, failures, healthy = time.monotonic(), 0, None
        pause_s = float(self._spec.get("delay_seconds", 15.0))
        while not self._stop.wait(pause_s):
            pause_s = interval_s
            if self._check():
                failures = 0
                if healthy is not True:
                    healthy = True
                    self._on_health(True)
                continue
            if healthy is None and time.monotonic() - began < grace_s:
                continue
            failures, healthy = failures + 1, False
            if self._stop.is_set():
                return
            self._on_health(False)
            if failures >= most_failures:
                self._on_unhealthy()
                return

    def _check(self) -> bool:
        timeout_s = float(self._spec.get("timeout_seconds", 20.0))
        try:
            match self._spec["type"]:
                case "TCP":
                    socket.create_connection((_LOOPBACK, self._spec["tcp"]["port"]), timeout_s).close()
                case "HTTP":
                    check = self._spec["http"]
                    connection = http.client.HTTPConnection(_LOOPBACK, check["port"], timeout=timeout_s)
                    connection.request("GET", check.get("path", "/"))
                    status = connection.getresponse().status
                    connection.close()
                    return 200 <= status < 400
                case "COMMAND":
                    command = self._spec["command"]
                    shell = command.get("shell", True)
                    what = command["value"] if shell else [command["value"], *command.get("arguments", [])[1:]]
                    environment = {**self._environment, **variables(command)}
                    subprocess.run(
                        what,
                        shell=shell,
                        cwd=self._directory,
                        env=environment,
                        timeout=timeout_s,
                        check=True,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                    )
        except (OSError, http.client.HTTPException, subprocess.SubprocessError):
            return False
        return True


def variables(command: Mapping[str, Any]) -> dict[str, str]:
    """The environment of a CommandInfo."""
    return {each["name"]: each["value"] for each in command.get("environment", {}).get("variables", [])}
