"""What a daemon tells systemd: log lines with their level, READY, a status line, the watchdog's keep-alive."""

import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType

try:
    from systemd import daemon, journal  # type: ignore[attr-defined]  # mypy finds the folder systemd/ instead
except ImportError:  # python3-systemd is not installed: nothing is sent
    daemon = journal = None

#: A file in the sandbox of a Mesos task.
HEARTBEAT = "heartbeat"


def set_up_logging(level: int = logging.INFO) -> None:
    """Log to the journal under systemd, else to standard error, one line per record."""
    if journal is not None and "JOURNAL_STREAM" in os.environ:
        handler: logging.Handler = journal.JournalHandler(SYSLOG_IDENTIFIER=Path(sys.argv[0]).name)
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # They log every retry and every message between the processes; our own lines report what matters.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)
    logging.getLogger("py4j").setLevel(logging.CRITICAL)


def notify(*, ready: bool = False, status: str | None = None, watchdog: bool = False, stopping: bool = False) -> None:
    """Send one message to systemd. Outside a ``Type=notify`` service only the heartbeat of a Mesos task is written."""
    if watchdog:
        _beat()
    if daemon is None:
        return
    lines = [
        *(["READY=1"] if ready else []),
        *([f"STATUS={' '.join(status.split())}"] if status is not None else []),  # each line would be a field
        *(["WATCHDOG=1"] if watchdog else []),
        *(["STOPPING=1"] if stopping else []),
    ]
    daemon.notify("\n".join(lines))


def _beat() -> None:
    """Touch a file. Under Mesos there is no systemd watchdog, but the age of this file can be checked."""
    sandbox = os.environ.get("MESOS_SANDBOX")
    if sandbox is not None:
        with suppress(OSError):  # a full disk is not a reason to end
            Path(sandbox, HEARTBEAT).touch()


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set. Call this from the main thread."""
    stop = threading.Event()
    # The handler runs in the main thread, which may hold the lock of stop.wait(): without a reentrant one, a deadlock.
    stop._cond = threading.Condition(threading.RLock())  # type: ignore[attr-defined]

    def handler(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGINT, handler)
    return stop
