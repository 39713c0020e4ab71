"""The influxd of this machine as a process, and the disk that its data are on."""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: influxd needs more than a few bytes: it writes a new file before it removes the old ones.
LEAST_FREE_MB = 16
_NAME = "influxd"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Influxd:
    """A running influxd. ``started`` tells it from a later process with the same number."""

    pid: int
    started: int
    cpu_s: float
    #: Stopped by SIGSTOP or a debugger.
    is_stopped: bool

    def kill(self) -> None:
        """SIGKILL: one that hangs at its start ignores SIGTERM. What supervises it, such as systemd, restarts it."""
        current = _read(self.pid)
        if current is not None and current.started == self.started:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def find_influxd() -> Influxd | None:
    """The influxd of our own user that has the same parent as we do: systemd, or `make run`. None: it does not run."""
    parent, user = os.getppid(), os.getuid()
    for folder in Path("/proc").iterdir():
        with suppress(OSError):  # it has ended
            if folder.name.isdigit() and folder.stat().st_uid == user:
                found = _read(int(folder.name), parent)
                if found is not None:
                    return found
    return None


def _read(pid: int, parent: int | None = None) -> Influxd | None:
    """The process, if it is an influxd that runs and has that parent."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # proc(5): the name is in parentheses, and can contain some.
    name = text[text.index("(") + 1 : text.rindex(")")]
    state, ppid, *others = text[text.rindex(")") + 2 :].split()
    if name != _NAME or state in "ZX" or parent not in (None, int(ppid)):
        return None
    user_ticks, system_ticks, started = int(others[9]), int(others[10]), int(others[17])
    return Influxd(pid, started, (user_ticks + system_ticks) / _TICKS_PER_S, state in "Tt")


@dataclass(frozen=True)
class Disk:
    """The state of the disk that InfluxDB's data are on."""

    #: Why InfluxDB should not be started on it; None if it is good.
    problem: str | None = None
    #: InfluxDB cannot write to it at all.
    refuses: bool = False

    @classmethod
    def of(cls, folder: Path) -> "Disk":
        """The disk that has the folder."""
        try:
            found = os.statvfs(folder)
        except OSError as error:
            return cls(f"{folder}: {error.strerror}", refuses=True)
        if found.f_flag & os.ST_RDONLY:
            return cls(f"the disk of {folder} is read-only", refuses=True)
        free_mb = found.f_bavail * found.f_frsize // 2**20
        if free_mb >= LEAST_FREE_MB:
            return cls()
        needed = f"{free_mb} MB are free on the disk of {folder}, and {LEAST_FREE_MB} MB are needed"
        return cls(f"only {needed}", refuses=free_mb < 1)
