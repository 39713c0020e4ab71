"""How long the sensors could not run because they were stopped or waited for a processor.

A killed sensor may lose what it took within the last second, and a machine under load takes that second from it.
"""

import time
from collections.abc import Sequence
from pathlib import Path

#: As much of the past is kept, in seconds.
_KEPT_S = 60.0


class Waits:
    """Samples of one sensor. Each process of it starts anew."""

    def __init__(self) -> None:
        self._pid = 0
        self._delays_ns: dict[str, int] = {}
        self._samples: list[tuple[float, float]] = []

    def sample(self, pid: int | None) -> None:
        """Add what the process waited since the last sample: the thread that waited longest counts."""
        now_s = time.monotonic()
        if pid is None:
            return
        if pid != self._pid:
            self._pid, self._delays_ns, self._samples = pid, {}, []
        before_s, waited_s = self._samples[-1] if self._samples else (now_s, 0.0)
        delays_ns = _delays_ns(pid)
        longest_ns = max((delay - self._delays_ns.get(thread, delay) for thread, delay in delays_ns.items()), default=0)
        self._delays_ns = delays_ns
        more_s = now_s - before_s if is_stopped(pid) else longest_ns / 1e9
        self._samples.append((now_s, waited_s + more_s))
        while self._samples[0][0] < now_s - _KEPT_S:
            del self._samples[0]

    def until_now(self) -> Sequence[tuple[float, float]]:
        """Samples of the monotonic clock and of the seconds waited by then, since the process started."""
        return tuple(self._samples)


def is_stopped(pid: int) -> bool:
    """Whether all threads of a process are stopped by a signal."""
    states = [_read(file).rpartition(")")[2].split()[:1] for file in Path(f"/proc/{pid}/task").glob("*/stat")]
    return bool(states) and all(state == ["T"] for state in states)


def _delays_ns(pid: int) -> dict[str, int]:
    """For each thread, how long it has waited for a processor, in ns."""
    texts = {file.parent.name: _read(file).split() for file in Path(f"/proc/{pid}/task").glob("*/schedstat")}
    return {thread: int(fields[1]) for thread, fields in texts.items() if len(fields) > 1}


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:  # the thread has ended
        return ""
