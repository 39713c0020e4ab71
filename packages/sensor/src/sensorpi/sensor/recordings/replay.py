"""Plays a recording: it is checked completely first, then the emulated chips measure row after row."""

from collections.abc import Iterator
from pathlib import Path

from sensorpi.sensor.board.emulated.environment import Moment
from sensorpi.sensor.recordings.conditions import conditions_of, fields_of
from sensorpi.sensor.recordings.recording import check, open_recording


class Replay:
    """The environment of a recording, at a multiple of its own speed."""

    can_wait = True

    def __init__(
        self, file: Path, map_name: str | None, speed: float | None, original: bool, sensor: str, host: str
    ) -> None:
        """Check the file. ``speed`` None is as fast as possible; ``original`` keeps the recorded times.

        ``sensor`` and ``host`` are for rows that do not name them. Raises UserError for a mistake in the file.
        """
        self._recording = open_recording(file, map_name)
        self._speed, self._original = speed, original
        self._sensor, self._host = sensor, host
        self._left_out = check(self._recording, sensor).repeating_lines

    def moments(self) -> Iterator[Moment]:
        """One moment for each row. The first row is due at 0, and so are rows with an earlier time."""
        first_ms: int | None = None
        counts = self._recording.colours_are_counts
        for row in self._recording.rows():
            if row.line in self._left_out:
                continue
            first_ms = row.time_ms if first_ms is None else first_ms
            after_ms = row.time_ms - first_ms
            played_ms = after_ms / self._speed if self._speed is not None else 0.0
            yield Moment(
                due_s=max(played_ms / 1000, 0.0),
                environment_s=after_ms / 1000,
                conditions=conditions_of(row.values, counts),
                sensor=row.sensor or self._sensor,
                host=row.host or self._host,
                timestamp_ms=row.time_ms if self._original else None,
                after_first_ms=None if self._original else round(played_ms),
                fields=fields_of(row.values, counts),
            )
