"""What the driver does with one micro-batch: settle it, however long that takes, then account for it."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sensorpi.common.daemon import service
from sensorpi.common.daemon.outage import Outage
from sensorpi.pipeline.job.sink import Outcome, SinkConfig

_log = logging.getLogger(__name__)

#: How long points that InfluxDB refuses for one common cause are taken for an outage. After that
#: they are dead-lettered: one sensor with a bad field must not stop all the others.
COMMON_CAUSE_PATIENCE_S = 60.0

#: One attempt at a batch on the workers: (configuration, Kafka partitions that are settled) -> outcomes.
Attempt = Callable[[SinkConfig, frozenset[int]], list[Outcome]]


class Stopped(Exception):
    """The job was told to stop while a batch was waiting; the batch is read again at the next start."""


@dataclass(frozen=True)
class BatchResult:
    """One settled batch."""

    outcomes: list[Outcome]
    seconds: float

    @property
    def stored(self) -> int:
        """Points that InfluxDB has."""
        return sum(outcome.stored for outcome in self.outcomes)

    @property
    def dead_lettered(self) -> int:
        """Messages that the dead-letter topic has."""
        return sum(outcome.dead_lettered for outcome in self.outcomes)

    @property
    def refused(self) -> int:
        """Dead letters that were good readings, but not to InfluxDB."""
        return sum(outcome.refused for outcome in self.outcomes)

    @property
    def minutes(self) -> set[int]:
        """Minutes since the epoch that got a point."""
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
    _outages: dict[str, Outage] = field(default_factory=dict)
    _positions: dict[int, int] = field(default_factory=dict)

    def settle(self, attempt: Attempt) -> BatchResult:
        """Raises Stopped when the job is told to stop before the batch is settled."""
        started = time.monotonic()
        settled: dict[int, Outcome] = {}
        config = self.config
        while True:
            outcomes = attempt(config, frozenset(settled))
            settled |= {outcome.partition: outcome for outcome in outcomes if outcome.away is None}
            away = {outcome.away[0]: outcome.away[1] for outcome in outcomes if outcome.away is not None}
            self._say_what_is_back(away)
            if not away:
                break
            self._wait_for(away)
            outage = self._outages.get("InfluxDB")
            if outage is not None and outage.down and outage.duration_s > COMMON_CAUSE_PATIENCE_S:
                config = replace(config, give_up_on_common_cause=True)
        result = BatchResult(list(settled.values()), time.monotonic() - started)
        self._count_gaps(result)
        return result

    def _wait_for(self, away: dict[str, str]) -> None:
        wait_s = 0.0
        for part, reason in away.items():
            outage = self._outages.setdefault(part, Outage(part, _log, longest_s=5.0))
            wait_s = max(wait_s, outage.failed(reason))
        # The job is well as long as it waits and tries again: that is what the watchdog asks.
        service.notify(
            watchdog=True, status="Waiting for " + ", ".join(f"{part} ({reason})" for part, reason in away.items())
        )
        if self.stop.wait(wait_s):
            raise Stopped

    def _say_what_is_back(self, away: dict[str, str]) -> None:
        for part, outage in self._outages.items():
            if part not in away:
                outage.succeeded()

    def _count_gaps(self, result: BatchResult) -> None:
        """Kafka deletes what is past its retention, read or not: say so, never pass over it."""
        for outcome in result.outcomes:
            expected = self._positions.get(outcome.partition)
            if expected is not None and outcome.first_offset > expected:
                _log.error(
                    "%d messages of partition %d were deleted from Kafka before they were read (offsets %d to %d)."
                    " Raise the topic's retention.",
                    outcome.first_offset - expected, outcome.partition, expected, outcome.first_offset - 1,
                )  # fmt: skip
            self._positions[outcome.partition] = outcome.next_offset
