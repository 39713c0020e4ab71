"""Outages of what a daemon needs: each is logged once when it begins and once when it ends, with growing waits."""

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
    """Whether one thing that is needed is available, and how long to wait before the next try."""

    def __init__(self, name: str, log: logging.Logger, first_s: float = 0.5, longest_s: float = 30.0) -> None:
        """Both log lines begin with ``name``, such as "InfluxDB at 127.0.0.1:8086"."""
        self.name = name
        self._log = log
        self._first_s, self._longest_s = first_s, longest_s
        self._since: float | None = None
        self._waits = backoff_s(first_s, longest_s)

    @property
    def down(self) -> bool:
        """Whether it is unavailable."""
        return self._since is not None

    @property
    def duration_s(self) -> float:
        """Seconds since the outage began, by the monotonic clock; 0 when there is none."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    def failed(self, reason: object) -> float:
        """Log once that it is down, and why; return how many seconds to wait before the next try."""
        if self._since is None:
            self._since = time.monotonic()
            self._waits = backoff_s(self._first_s, self._longest_s)
            self._log.warning("%s is down: %s. Retrying until it is back.", self.name, reason)
        return next(self._waits)

    def succeeded(self) -> None:
        """Log once that it is back, if it was down."""
        if self._since is not None:
            self._log.warning("%s is back after %.0f s.", self.name, self.duration_s)
            self._since = None
