"""Something that a daemon needs goes away and comes back: log each once, wait ever longer between."""

import logging
import time
from collections.abc import Iterator


def backoff_s(first_s: float = 0.5, longest_s: float = 30.0) -> Iterator[float]:
    """Waits in seconds that double from ``first_s`` up to ``longest_s``, without end."""
    wait_s = first_s
    while True:
        yield wait_s
        wait_s = min(wait_s * 2, longest_s)


class Outage:
    """The state of one needed thing, with the next wait before it is tried again."""

    def __init__(self, name: str, log: logging.Logger, first_s: float = 0.5, longest_s: float = 30.0) -> None:
        """``name`` starts both log lines, such as "InfluxDB at 127.0.0.1:8086"."""
        self.name = name
        self._log = log
        self._first_s, self._longest_s = first_s, longest_s
        self._since: float | None = None
        self._waits = backoff_s(first_s, longest_s)

    @property
    def down(self) -> bool:
        """Whether the thing is away."""
        return self._since is not None

    @property
    def duration_s(self) -> float:
        """Seconds since it went, by the monotonic clock; 0 while it is there."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    def failed(self, reason: object) -> float:
        """Say once that it went, and why; return how many seconds to wait before the next try."""
        if self._since is None:
            self._since = time.monotonic()
            self._waits = backoff_s(self._first_s, self._longest_s)
            self._log.warning("%s is down: %s. Trying again until it is back.", self.name, reason)
        return next(self._waits)

    def succeeded(self) -> None:
        """Say once that it is back. Does nothing while it was never down."""
        if self._since is not None:
            self._log.warning("%s is back after %.0f s.", self.name, self.duration_s)
            self._since = None
