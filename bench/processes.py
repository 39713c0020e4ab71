"""What a program takes: CPU time and memory of a process and all that it started."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """A living process. ``cpu_s`` includes its children that have ended."""

    pid: int
    parent: int
    session: int
    name: str
    cpu_s: float


def parse_stat(text: str) -> Process:
    """A process from its `/proc/PID/stat`."""
    head, _, rest = text.rpartition(")")
    pid, _, name = head.partition(" (")
    fields = rest.split()
    ticks = sum(int(field) for field in fields[11:15])
    return Process(int(pid), int(fields[1]), int(fields[3]), name, ticks / _TICKS_PER_S)


def family(root: int, everyone: Iterable[Process]) -> list[Process]:
    """The process ``root``, its descendants, and what is in its session although its parent has ended."""
    found: list[Process] = []
    pids = {root}
    waiting = list(everyone)
    while belonging := [each for each in waiting if pids & {each.pid, each.parent, each.session}]:
        found += belonging
        pids |= {each.pid for each in belonging}
        waiting = [each for each in waiting if each not in belonging]
    return found


def cpu_s(root: int) -> float:
    """User and system time of a process's family, in seconds."""
    return sum(process.cpu_s for process in family(root, everyone()))


def cpu_s_by_process(root: int) -> dict[str, float]:
    """The same by the process's name; ``root`` is named “main”."""
    found: dict[str, float] = {}
    for process in family(root, everyone()):
        name = "main" if process.pid == root else process.name
        found[name] = found.get(name, 0.0) + process.cpu_s
    return found


def pss_mb(root: int) -> float:
    """Memory of a process's family in MiB; pages that are shared are divided among the processes that share them."""
    total_kb = 0
    for process in family(root, everyone()):
        with suppress(OSError):
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
            total_kb += int(text.partition("\nPss:")[2].split()[0])
    return total_kb / 1024


def everyone() -> Iterator[Process]:
    """All processes of this machine, or of this PID namespace."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            yield parse_stat(file.read_text(encoding="utf-8", errors="replace"))
