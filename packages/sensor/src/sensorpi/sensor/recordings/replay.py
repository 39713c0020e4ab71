"""Plays a recording: it is checked completely first, then the emulated chips measure row after row."""

from collections.abc import Iterator
from pathlib import Path

from sensorpi.common.reading import FIELDS
from sensorpi.sensor.board.emulated.environment import Moment
from sensorpi.sensor.recordings.conditions import conditions_of, fields_of
from sensorpi.sensor.recordings.recording import load, open_recording


class Replay:
    """The environment of a recording, at a multiple of its own speed."""

    can_wait = True

    def __init__(
        self,
        file: Path,
        map_name: str | None,
        speed: float | None,
        original: bool,
        sensor: str,
        host: str,
        raw_retention_days: int = 0,
    ) -> None:
        """Check the file. ``speed`` None is as fast as possible; ``original`` keeps the recorded times.

        ``sensor`` and ``host`` are for rows that do not name them. ``raw_retention_days`` is how long the database
        keeps readings (0: for ever). Raises UserError for a mistake in the file.
        """
        self._speed, self._original = speed, original
        recording = open_recording(file, map_name)
        self._colours_are_counts = recording.colours_are_counts
        self._table = load(recording, sensor, host, original, raw_retention_days=raw_retention_days)

    @property
    def count(self) -> int:
        """The number of moments."""
        return len(self._table.order)

    def moments(self) -> Iterator[Moment]:
        """One moment for each row, in the order of time. The oldest is due at 0."""
        table, counts = self._table, self._colours_are_counts
        first_ms = table.times_ms[table.order[0]]
        for index in table.order:
            time_ms, values = table.times_ms[index], table.values(index)
            after_ms = time_ms - first_ms
            played_ms = after_ms / self._speed if self._speed is not None else 0.0
            sensor, host = table.name(index)
            yield Moment(
                due_s=played_ms / 1000,
                environment_s=after_ms / 1000,
                conditions=conditions_of(values, counts),
                sensor=sensor,
                host=host,
                timestamp_ms=time_ms if self._original else None,
                after_first_ms=None if self._original else round(played_ms),
                fields=fields_of(values, counts),
                extra={name: value for name, value in values.items() if name not in FIELDS},
            )
