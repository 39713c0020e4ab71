"""What the driver does with one micro-batch: settle it, however long that takes, then count what became of it."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sensorpi.common.daemon import service
from sensorpi.common.daemon.outage import Outage
from sensorpi.pipeline.job.lines import InfluxUnavailable
from sensorpi.pipeline.job.losses import Losses
from sensorpi.pipeline.job.sink import Done, Outcome, SinkConfig

_log = logging.getLogger(__name__)

#: How long it is treated as an outage when InfluxDB refuses all points for the same reason. After that
#: they are dead-lettered: one sensor with a bad field must not stop all the others.
COMMON_CAUSE_PATIENCE_S = 60.0

#: One attempt at a batch by the workers: (configuration, what earlier attempts have done) -> outcomes. Raises
#: InfluxUnavailable if InfluxDB is unavailable to the driver itself.
Attempt = Callable[[SinkConfig, Done], list[Outcome]]


class Stopped(Exception):
    """The job was told to stop while a batch was waiting. The next start reads the batch again."""


@dataclass(frozen=True)
class BatchResult:
    """One settled batch."""

    outcomes: list[Outcome]
    seconds: float
    #: Messages that Kafka deleted before this batch could read them.
    lost: int = 0

    @property
    def stored(self) -> int:
        """How many points InfluxDB has stored."""
        return sum(outcome.stored for outcome in self.outcomes)

    @property
    def dead_lettered(self) -> int:
        """How many messages are on the dead-letter topic."""
        return sum(outcome.dead_lettered for outcome in self.outcomes)

    @property
    def refused(self) -> int:
        """How many of the dead letters were valid readings that InfluxDB refused."""
        return sum(outcome.refused for outcome in self.outcomes)

    @property
    def minutes(self) -> set[int]:
        """The minutes (since the epoch) in which a point was stored."""
        return set[int]().union(*(outcome.minutes for outcome in self.outcomes))

    @property
    def newest_ms(self) -> int:
        """The newest timestamp stored, ms since the epoch; 0 when nothing was."""
        return max((outcome.newest_ms for outcome in self.outcomes), default=0)

    @property
    def next_offsets(self) -> dict[int, int]:
        """Kafka partition -> the offset after its last settled message."""
        return {outcome.partition: outcome.next_offset for outcome in self.outcomes}


@dataclass
class BatchSettler:
    """Repeats attempts at a batch until each of its messages is stored or dead-lettered."""

    config: SinkConfig
    stop: threading.Event
    losses: Losses
    _outages: dict[str, Outage] = field(default_factory=dict)

    def settle(self, attempt: Attempt) -> BatchResult:
        """Raises Stopped when the job is told to stop before the batch is settled."""
        started = time.monotonic()
        settled: dict[int, Outcome] = {}
        lettered: frozenset[tuple[int, int]] = frozenset()
        config = self.config
        while True:
            try:
                outcomes = attempt(config, Done(frozenset(settled), lettered))
            except InfluxUnavailable as error:
                outcomes, unavailable = [], {"InfluxDB": str(error)}
            else:
                unavailable = dict(outcome.unavailable for outcome in outcomes if outcome.unavailable is not None)
            lettered = lettered.union(*(outcome.lettered for outcome in outcomes))
            settled |= {outcome.partition: outcome for outcome in outcomes if outcome.is_settled}
            self._log_what_is_back(unavailable)
            if unavailable:
                self._wait_for(unavailable)
            elif all(outcome.is_settled for outcome in outcomes):
                break
            outage = self._outages.get("InfluxDB")
            if outage is not None and outage.down and outage.duration_s > COMMON_CAUSE_PATIENCE_S:
                config = replace(config, give_up_on_common_cause=True)
        return BatchResult(list(settled.values()), time.monotonic() - started, self.losses.advance(settled.values()))

    def _wait_for(self, unavailable: dict[str, str]) -> None:
        wait_s = 0.0
        for part, reason in unavailable.items():
            outage = self._outages.setdefault(part, Outage(part, _log, longest_s=5.0))
            wait_s = max(wait_s, outage.failed(reason))
        # A job that waits and retries works as it should, so the watchdog must not end it.
        parts = ", ".join(f"{part} ({reason})" for part, reason in unavailable.items())
        service.notify(watchdog=True, status=f"Waiting for {parts}")
        if self.stop.wait(wait_s):
            raise Stopped

    def _log_what_is_back(self, unavailable: dict[str, str]) -> None:
        for part, outage in self._outages.items():
            if part not in unavailable:
                outage.succeeded()
