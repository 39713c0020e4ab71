"""One part of the pipeline as a child process, which is started, monitored, restarted and stopped as by systemd."""

import logging
import os
import re
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sensorpi.common.daemon.outage import backoff_s
from sensorpi.common.errors import UserError

#: A child that has run this long is restarted with the shortest delay again; one that sends READY is so at once.
STEADY_S = 30.0

_log = logging.getLogger(__name__)

#: The line of a log that tells the most about a failed start.
_REASON = re.compile(r"error|exception|fail|fatal|cannot|refused|panic", re.IGNORECASE)


class PortTaken(UserError):
    """A child ended at its start because a port of ``service`` is in use."""

    def __init__(self, service: str, text: str) -> None:
        super().__init__(text)
        self.service = service


class Service:
    """A child with a log file. It sends READY and its status over NOTIFY_SOCKET, as `Type=notify` services do.

    Start it only from the main thread: a child gets SIGTERM when the thread that started it ends.
    """

    def __init__(
        self, name: str, argv: Sequence[str], log: Path, environment: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (), watchdog_s: float | None = None, notify_socket: Path | None = None,
    ) -> None:  # fmt: skip
        """With ``watchdog_s``, a child that has sent WATCHDOG and then does not for this long is killed.

        ``notify_socket`` is for a child in another network namespace, where an abstract socket cannot be reached.
        """
        self.name = name
        self.status = ""
        self.ready = False
        self._argv = argv
        self._log_file = log
        self._environment = dict(os.environ if environment is None else environment)
        self._pass_fds = pass_fds
        self._process: subprocess.Popen[bytes] | None = None
        self._waits = backoff_s(1.0, 30.0)
        self._restart_at: float | None = None
        self._watchdog_s = watchdog_s
        self._has_watchdog = False
        self._alive_at = 0.0
        self._started_at = 0.0
        self._log_begins_at = 0
        self._notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # An abstract socket, because the path of a checkout may be too long for the name of a socket.
        address = str(notify_socket or f"\0sensorpi-{os.getpid()}-{name}-{secrets.token_hex(4)}")
        self._notifications.bind(address)
        self._environment["NOTIFY_SOCKET"] = address.replace("\0", "@")
        # In its own thread, because a child blocks when about ten of its messages are unread.
        self._listener = threading.Thread(target=self._listen, name=f"{name} notifications", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int | None:
        """The running child's pid."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    @property
    def exit_status(self) -> int | None:
        """The exit status of a child that ended; negative for a signal."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the child. Raises UserError when setpriv is missing."""
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        self.ready = False
        self._restart_at = None
        self._alive_at = self._started_at = time.monotonic()
        with self._log_file.open("ab") as log:
            self._log_begins_at = log.tell()
            try:
                self._process = subprocess.Popen(
                    # The whole pipeline ends with `make run`, even when that is killed.
                    ["setpriv", "--pdeathsig", "TERM", "--", *self._argv],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self._environment,
                    pass_fds=self._pass_fds,
                    # Ctrl-C in the terminal must reach only us, because we stop the parts in order.
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise UserError("setpriv is missing: apt install util-linux") from None

    def wait_until_ready(self, timeout_s: float, is_ready: Callable[[], bool] | None = None) -> None:
        """Wait for READY, or for ``is_ready`` if the child cannot send it.

        Raises UserError, with the reason in its log, when the child ends or is not ready in time; PortTaken when it
        ended because a port is in use.
        """
        deadline = time.monotonic() + timeout_s
        while not self.ready:
            if self.exit_status is not None:
                raise self._failed_start()
            if is_ready is not None and is_ready():
                self.ready = True
            if time.monotonic() > deadline:
                raise UserError(f"{self.name} is not ready after {timeout_s:.0f} s: {self._reason_in_log()}")
            time.sleep(0.02)

    def watch(self) -> bool:
        """Restart a child that ended by itself, with growing delays; return whether it was started now.

        Kill one that hangs. Each end and each restart is logged once.
        """
        now = time.monotonic()
        if self._process is not None and self._process.poll() is None and self._hangs(now):
            _log.warning(
                "%s has been silent for %.0f s and is killed (%s).", self.name, now - self._alive_at, self._log_file
            )
            self._process.kill()
            self._process.wait()
        if self._process is None or self._process.poll() is None:
            return False
        if self._restart_at is None:
            if now - self._started_at > STEADY_S:
                self._waits = backoff_s(1.0, 30.0)
            wait_s = next(self._waits)
            self._restart_at = now + wait_s
            self.ready = False
            self.status = f"ended with status {self.exit_status}, restarting"
            _log.warning(
                "%s ended with status %s (%s). Restarting it in %.0f s.",
                self.name, self.exit_status, self._log_file, wait_s,
            )  # fmt: skip
        elif now >= self._restart_at:
            try:
                self.start()
            except OSError as error:  # such as a full disk, on which there is no log file
                self._restart_at = now + next(self._waits)
                _log.warning("%s cannot be restarted: %s.", self.name, error)
                return False
            _log.warning("%s was restarted.", self.name)
            return True
        return False

    def _hangs(self, now: float) -> bool:
        """Also before it is ready, because what it hung at may come first after a restart."""
        return self._watchdog_s is not None and self._has_watchdog and now - self._alive_at > self._watchdog_s

    def terminate(self) -> None:
        """Ask the child to stop, without waiting."""
        if self.pid is not None and self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """Kill the child at once, like a crash."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self, grace_s: float = 20.0) -> None:
        """Stop the child: SIGTERM, and SIGKILL after ``grace_s``."""
        self.terminate()
        if self._process is not None:
            try:
                self._process.wait(grace_s)
            except subprocess.TimeoutExpired:
                _log.warning("%s did not stop within %.0f s and is killed.", self.name, grace_s)
                self._process.kill()
                self._process.wait()
        self._process = None
        self.ready = False

    def close(self) -> None:
        """Stop the child for good."""
        self.stop()
        self._notifications.shutdown(socket.SHUT_RD)  # ends the listener
        self._listener.join()
        self._notifications.close()

    def _listen(self) -> None:
        """Read the child's messages."""
        while text := self._notifications.recv(4096).decode(errors="replace"):
            for line in text.splitlines():
                name, _, value = line.partition("=")
                if name == "READY":
                    self.ready = True
                    self._waits = backoff_s(1.0, 30.0)
                elif name == "WATCHDOG":
                    self._has_watchdog = True
                    self._alive_at = time.monotonic()
                elif name == "STATUS":
                    self.status = value

    def _failed_start(self) -> UserError:
        text = f"{self.name} failed to start (status {self.exit_status}): {self._reason_in_log()}"
        is_port = "address already in use" in self._log_of_this_start().lower()
        return PortTaken(self.name, text) if is_port else UserError(text)

    def _log_of_this_start(self) -> str:
        with self._log_file.open("rb") as log:
            log.seek(self._log_begins_at)
            return log.read().decode(errors="replace")

    def _reason_in_log(self) -> str:
        """The first line that looks like a reason, or else the last line, and where the log is."""
        lines = [line.strip() for line in self._log_of_this_start().splitlines() if line.strip()]
        in_use = [line for line in lines if "address already in use" in line.lower()]
        reason = next(iter([*in_use, *filter(_REASON.search, lines), *lines[-1:]]), "nothing was logged")
        return f"{reason if len(reason) <= 200 else reason[:200] + '…'} (see {self._log_file})"
