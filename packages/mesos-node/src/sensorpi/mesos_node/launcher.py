"""Runs a JVM as a well-behaved service: READY and the watchdog depend on a real probe, and signals are passed on."""

import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.daemon.outage import Outage
from sensorpi.common.daemon.service import notify, stop_on_signals
from sensorpi.common.errors import UserError

_log = logging.getLogger(__name__)

#: The exit status of a JVM that SIGTERM has shut down cleanly: 128 + 15.
_JVM_TERMINATED = 143

#: Variables that systemd sets for this process and that would mislead its child: only this process talks to systemd,
#: and a task of a Mesos agent does not have the agent's folders and journal.
_NOT_FOR_THE_CHILD = (
    "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "JOURNAL_STREAM", "STATE_DIRECTORY", "RUNTIME_DIRECTORY",
)  # fmt: skip


class ProbeError(Exception):
    """The program does not answer as it should; the text says why."""


#: Asks the program itself and returns a status line, within a few seconds, or raises ``ProbeError``.
Probe = Callable[[], str]


def launch(
    name: str,
    command: Sequence[str],
    probe: Probe,
    *,
    environment: Mapping[str, str] | None = None,
    grace_s: float = 60.0,
    probe_every_s: float = 5.0,
) -> int:
    """Run ``command`` until it ends or this process gets SIGTERM or SIGINT; return the exit status to end with.

    The first probe that succeeds reports READY; each later one resets the watchdog, so that systemd restarts a program
    that runs without answering. On a signal the program gets SIGTERM, and SIGKILL after ``grace_s``; a clean shutdown
    is status 0. ``environment`` is added to this process's. Raises ``UserError`` when the command cannot be started.
    """
    wake = stop_on_signals()
    process = _start(name, command, environment or {})
    ended = threading.Event()

    def wait_for_end() -> None:
        process.wait()
        ended.set()
        wake.set()

    threading.Thread(target=wait_for_end, name="wait-for-end", daemon=True).start()
    _watch(name, probe, wake, probe_every_s)
    if ended.is_set():
        status = _exit_status(process.returncode)
        _log.error("%s ended by itself with status %d", name, status)
        return status or ExitCode.FAILED
    return _stop(name, process, ended, grace_s)


def _start(name: str, command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    # In a session of its own, or Ctrl-C in a terminal would reach the program before this process reports STOPPING.
    # setpriv (util-linux) makes the kernel end it if this process is killed.
    guarded = ["setpriv", "--pdeathsig", "TERM", *command]
    variables = {**os.environ, **environment}
    for variable in _NOT_FOR_THE_CHILD:
        variables.pop(variable, None)
    try:
        return subprocess.Popen(guarded, stdin=subprocess.DEVNULL, env=variables, start_new_session=True)
    except OSError as error:
        raise UserError(f"{name} cannot be started: {error}") from None


def _watch(name: str, probe: Probe, wake: threading.Event, probe_every_s: float) -> None:
    ready = False
    outage = Outage(name, _log)
    notify(status="starting")
    while not wake.is_set():
        try:
            status = probe()
        except ProbeError as error:
            if ready:
                outage.failed(error)
            notify(status=f"{'not answering' if ready else 'starting'}: {error}")
        else:
            if not ready:
                _log.info("%s is ready: %s", name, status)
            outage.succeeded()
            notify(ready=not ready, watchdog=True, status=status)
            ready = True
        wake.wait(min(probe_every_s, (1.0 if outage.down else probe_every_s) if ready else 0.2))


def _stop(name: str, process: "subprocess.Popen[bytes]", ended: threading.Event, grace_s: float) -> int:
    notify(stopping=True, status="stopping")
    process.send_signal(signal.SIGTERM)
    if not ended.wait(grace_s):
        _log.error("%s did not stop within %g s and is killed", name, grace_s)
        process.kill()
        ended.wait()
    status = _exit_status(process.returncode)
    return ExitCode.OK if status in (0, _JVM_TERMINATED) else status


def _exit_status(returncode: int) -> int:
    return returncode if returncode >= 0 else 128 - returncode
