"""Counts messages that Kafka deleted before they were read.

A gap in the offsets alone does not show a loss: transaction markers and compaction leave gaps as well. What was
deleted lies below the log's start offset.
"""

import logging
from collections.abc import Callable, Iterable, Mapping

from kafka.errors import KafkaError

from sensorpi.pipeline.job.sink import Outcome

_log = logging.getLogger(__name__)


class Losses:
    """Compares the next offset to read with the log's start."""

    def __init__(self, log_starts: Callable[[], Mapping[int, int]], report: Callable[[str], None]) -> None:
        """``log_starts`` returns each partition's oldest offset, or raises KafkaError; ``report`` takes a line."""
        self._log_starts = log_starts
        self._report = report
        self._positions: dict[int, int] = {}

    def start(self, positions: Mapping[int, int]) -> int:
        """Continue at these offsets; return how many messages were deleted before that. Raises KafkaError."""
        self._positions = dict(positions)
        starts = self._log_starts()
        return sum(self._count(partition, starts.get(partition, 0)) for partition in positions)

    def advance(self, outcomes: Iterable[Outcome]) -> int:
        """Continue after a settled batch; return how many messages were deleted before it."""
        lost = 0
        for outcome in outcomes:
            expected = self._positions.get(outcome.partition)
            if expected is not None and outcome.first_offset > expected:
                try:
                    start = self._log_starts().get(outcome.partition, 0)
                except KafkaError as error:
                    _log.warning("It is unknown whether messages were deleted before they were read: %r", error)
                else:
                    lost += self._count(outcome.partition, min(start, outcome.first_offset))
            self._positions[outcome.partition] = outcome.next_offset
        return lost

    def _count(self, partition: int, start: int) -> int:
        expected = self._positions[partition]
        lost = max(0, start - expected)
        if lost:
            line = (
                f"{lost} messages of partition {partition} were deleted from Kafka before they were read"
                f" (offsets {expected} to {start - 1}). Raise [kafka] retention_hours or retention_mb."
            )
            _log.error("%s", line)
            self._report(line)
            self._positions[partition] = start
        return lost
