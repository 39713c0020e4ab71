"""The rows of a recording in memory, in the order of time: about 100 bytes for each."""

import math
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from sensorpi.common.errors import UserError
from sensorpi.sensor.recordings.folds import UnclearError, settle
from sensorpi.sensor.recordings.rows import Row


class Table:
    """Rows, each with its line, its time, its sensor and host, and its values."""

    def __init__(self, file: Path, rows: Iterable[Row], sensor: str, host: str) -> None:
        """Read all rows; ``sensor`` and ``host`` are for those that do not name them. Raises UserError."""
        self._file = file
        self.lines, self.times_ms = array("q"), array("q")
        #: Sensor and host of the series that there are, and the number of each row's.
        self.series: list[tuple[str, str]] = []
        self._series_of = array("L")
        self._columns: dict[str, array[float]] = {}
        self._later_ms: dict[int, int] = {}
        numbers: dict[tuple[str, str], int] = {}
        for row in rows:
            name = row.sensor or sensor, row.host or host
            number = numbers.setdefault(name, len(numbers))
            self._add(row, number)
        self.series = list(numbers)
        #: The rows' indices, oldest first.
        self.order: Sequence[int] = range(len(self.lines))
        down = sum(earlier > later for earlier, later in pairwise(self.times_ms))
        up = sum(earlier < later for earlier, later in pairwise(self.times_ms))
        if down > up:
            self.order = self.order[::-1]  # newest first, also among rows with the same time
        self._settle_repeated_hours()
        #: The rows that are older than the one before them, in the order of the whole file.
        self.out_of_order = [
            later for earlier, later in pairwise(self.order) if self.times_ms[earlier] > self.times_ms[later]
        ]
        self.order = array("q", sorted(self.order, key=self.times_ms.__getitem__))

    def _add(self, row: Row, series: int) -> None:
        index = len(self.lines)
        for name, value in row.values.items():
            if name not in self._columns:
                self._columns[name] = array("d", [math.nan]) * index
            self._columns[name].append(value)
        for column in self._columns.values():
            if len(column) == index:
                column.append(math.nan)
        if row.later_ms != row.time_ms:
            self._later_ms[index] = row.later_ms
        self.lines.append(row.line)
        self.times_ms.append(row.time_ms)
        self._series_of.append(series)

    @property
    def fields(self) -> list[str]:
        """The fields that at least one row has."""
        return list(self._columns)

    def values(self, index: int) -> dict[str, float]:
        """The values of a row, without the missing ones."""
        return {name: value for name, column in self._columns.items() if (value := column[index]) == value}

    def count(self, field: str) -> int:
        """How many rows have a field."""
        return sum(value == value for value in self._columns.get(field, ()))

    def name(self, index: int) -> tuple[str, str]:
        """Sensor and host of a row."""
        return self.series[self._series_of[index]]

    def _settle_repeated_hours(self) -> None:
        if not self._later_ms:
            return
        rows_of = defaultdict[int, list[int]](list)
        for index in self.order:
            rows_of[self._series_of[index]].append(index)
        for rows in rows_of.values():
            try:
                settle(rows, self.times_ms, self._later_ms)
            except UnclearError as error:
                raise UserError(
                    f"{self._file}, line {self.lines[error.index]}: this time is in the hour that the clock repeats, "
                    "and which of the two it is cannot be told, because the rows there are not in the order of time"
                ) from None

    def groups(self) -> list[list[int]]:
        """The rows that share their series and time with others, in their order."""
        groups: dict[tuple[int, int], list[int]] = {}
        first: dict[int, int] = {}
        for index in self.order:
            series, time_ms = self._series_of[index], self.times_ms[index]
            before = first.get(series)
            if before is not None and self.times_ms[before] == time_ms:
                groups.setdefault((series, time_ms), [before]).append(index)
            else:
                first[series] = index
        return list(groups.values())

    def spread(self) -> None:
        """Give rows of one series with the same time times that are evenly spread up to the clock's next step."""
        step_ms = next(
            (step for step in (3_600_000, 60_000, 1000) if all(time_ms % step == 0 for time_ms in self.times_ms)), 1
        )
        ends = dict[tuple[int, int], int]()
        latest: dict[int, int] = {}
        for index in reversed(self.order):
            series, time_ms = self._series_of[index], self.times_ms[index]
            if latest.get(series, -1) != time_ms:
                ends[series, time_ms] = min(latest.get(series, time_ms + step_ms), time_ms + step_ms)
                latest[series] = time_ms
        for group in self.groups():
            start_ms = self.times_ms[group[0]]
            end_ms = ends[self._series_of[group[0]], start_ms]
            for place, index in enumerate(group):
                self.times_ms[index] = start_ms + (end_ms - start_ms) * place // len(group)
        self.order = array("q", sorted(self.order, key=self.times_ms.__getitem__))

    def same(self) -> list[tuple[int, int, bool]]:
        """For rows with the time of an earlier one: the row, the first of that time, and whether it is a repetition."""
        found = []
        for group in self.groups():
            before = [self.values(group[0])]
            for index in group[1:]:
                values = self.values(index)
                found.append((index, group[0], values in before))
                before.append(values)
        return found

    def leave_out(self, rows: set[int]) -> None:
        """Remove rows from the order."""
        self.order = array("q", (index for index in self.order if index not in rows))
        self.out_of_order = [index for index in self.out_of_order if index not in rows]

    def when(self, index: int) -> str:
        """A row's time, to be shown."""
        return show_time(self.times_ms[index])


def show_time(time_ms: int) -> str:
    """A time in ms as ISO 8601 in UTC."""
    text = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00").removesuffix(".000") + "Z"
