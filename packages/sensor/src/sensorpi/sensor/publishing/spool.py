"""Readings on disk while Kafka or the clock is unavailable: a file, fsynced, bounded, and deleted when it is empty."""

import itertools
import logging
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sensorpi.common.daemon.service import notify
from sensorpi.sensor.publishing.carving import carve
from sensorpi.sensor.publishing.database import DamageError, connect, errors, files_of, rename
from sensorpi.sensor.publishing.set_aside import append_rows
from sensorpi.sensor.stamping.entry import Entry, entry_of

log = logging.getLogger(__name__)

#: Five and a half days with one reading per second, about 150 MB.
MOST_READINGS = 500_000
#: Lower than every number of a row, also of those that were read back from a damaged file and go in front.
_BEFORE_ALL = -(2**62)
#: The space that a disk needs before it counts as one that is not full.
_ENOUGH_BYTES = 1_000_000
_INSERT = "INSERT INTO readings (id, sensor, boot, timestamp_ms, message, taken) VALUES (?, ?, ?, ?, ?, ?)"


class Spool:
    """A queue in a file. When it is full, the oldest readings are dropped, which is logged once.

    ``len`` is how many of its readings Kafka has not acknowledged, and ``unsent`` how many of these were not taken with
    ``take``. The file exists only while there are readings in it: a healthy sensor does not write to its card.
    For one thread only. Methods raise OSError, one line, for a state of the disk; then nothing has changed.
    """

    def __init__(self, directory: Path, most: int = MOST_READINGS) -> None:
        """Nothing is opened: ``open`` takes over what an earlier run left."""
        self.path = directory / "spool.sqlite3"
        self.dropped = 0
        self._most = most
        self._database: sqlite3.Connection | None = None
        self._is_full_logged = False
        self._length = self._taken = 0
        self._done = self._last_taken = _BEFORE_ALL
        self._aside: set[int] = set()  # rows that were set aside and could not be deleted
        self._is_spent = False
        self._first_number = self._next_number = 1

    def __len__(self) -> int:
        return self._length

    @property
    def unsent(self) -> int:
        """How many readings ``take`` has not given yet."""
        return self._length - self._taken

    @property
    def is_closed(self) -> bool:
        """Whether there is a file that has not been opened, except one that only could not be deleted."""
        return self._database is None and not self._is_spent and os.path.lexists(self.path)

    def open(self) -> None:
        """Take over what an earlier run left, and what damaged files of earlier runs hold.

        A damaged file is renamed, which is logged.
        """
        try:
            if self.is_closed:
                self._open()
        except DamageError as error:
            self._quarantine(error)
        for damaged in sorted(self.path.parent.glob(f"{self.path.name}.damaged-*")):
            if not damaged.name.endswith(("-wal", "-shm")):
                try:
                    self.recover(damaged)
                except OSError as error:
                    log.warning("%s cannot be read back now: %s", damaged, error.strerror or error)
        self._remove_if_empty()

    def recover(self, damaged: Path) -> int:
        """Put what a damaged file still holds in front of the queue, and rename the file; return how many readings."""
        with self._changing() as database:
            (first,) = database.execute("SELECT coalesce(min(id), 1) FROM readings").fetchone()
            count = 0
            for entry in itertools.islice(carve([file for file in files_of(damaged) if file.is_file()]), self._most):
                database.execute(_INSERT, (first - self._most + count, *entry.row()))
                count += 1
                if count % 1000 == 0:
                    notify(watchdog=True)
        self._length += count
        log.warning("%d readings of %s were read back", count, damaged)
        rename(damaged, damaged.with_name(damaged.name.replace(".damaged-", ".recovered-")))
        return count

    def give_to_owner(self) -> None:
        """Give the files to the user whose folder they are in: root may have made them for the sensor's user."""
        owner = self.path.parent.stat()
        for file in files_of(self.path):
            if file.exists():
                os.chown(file, owner.st_uid, owner.st_gid)

    def newest_timestamps(self) -> dict[str, int]:
        """For each sensor, the newest timestamp (ms) in the spool."""
        query = (
            "SELECT sensor, max(timestamp_ms) FROM readings"
            " WHERE typeof(sensor) = 'text' AND typeof(timestamp_ms) = 'integer' GROUP BY sensor"
        )
        return dict(self._rows(query))

    def has_unstamped(self) -> bool:
        """Whether a reading in it waits for its timestamp."""
        return bool(self._rows("SELECT 1 FROM readings WHERE id > ? AND timestamp_ms = 0 LIMIT 1", self._last_taken))

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """Add these, in order, and return their numbers. On return they are on the disk."""
        try:
            return self._append(entries)
        except DamageError as error:
            self._quarantine(error)
            return self._append(entries)

    def _append(self, entries: Sequence[Entry]) -> list[int]:
        with self._transaction() as database:
            numbers = list(range(self._next_number, self._next_number + len(entries)))
            rows = [(number, *entry.row()) for number, entry in zip(numbers, entries, strict=True)]
            database.executemany(_INSERT, rows)
            excess = self._length + len(entries) - self._most
            if excess > 0:
                oldest = "SELECT id FROM readings WHERE id > ? ORDER BY id LIMIT ?"
                query = f"DELETE FROM readings WHERE id IN ({oldest})"
                excess = database.execute(query, (self._last_taken, excess)).rowcount
        self._next_number += len(entries)
        self._length += len(entries) - max(excess, 0)
        if excess > 0:
            self.dropped += excess
            if not self._is_full_logged:
                self._is_full_logged = True
                log.warning("%s is full with %d readings: the oldest are dropped", self.path, self._most)
        return numbers

    def take(self, most: int, is_usable: Callable[[Entry], bool] = bool) -> list[tuple[int, Entry]]:
        """Up to ``most`` of the oldest entries that were not taken yet, each with its number.

        A row that is damaged, or whose entry is not usable, is set aside, which is logged.
        """
        query = "SELECT id, sensor, boot, timestamp_ms, message, taken FROM readings WHERE id > ? ORDER BY id LIMIT ?"
        rows = [row for row in self._rows(query, self._last_taken, most) if row[0] not in self._aside]
        found = [(row[0], entry_of(row[1:])) for row in rows]
        entries = [(number, entry) for number, entry in found if entry is not None and is_usable(entry)]
        good = {number for number, _ in entries}
        self._set_aside([row for row in rows if row[0] not in good])
        if rows:
            self._last_taken = rows[-1][0]
            self._taken += len(entries)
        return entries

    def taken(self, numbers: list[int]) -> None:
        """Count appended entries as given by ``take``, as they are on their way to Kafka already."""
        self._last_taken = numbers[-1]
        self._taken += len(numbers)

    def give_back(self, numbers: Sequence[int]) -> None:
        """``take`` gives these entries again, which are the last that it gave."""
        numbers = [number for number in numbers if number >= self._first_number]
        if numbers:
            self._taken -= len(numbers)
            self._last_taken = numbers[0] - 1

    def replace(self, changed: Sequence[tuple[int, Entry]]) -> None:
        """Write other entries into these rows."""
        query = "UPDATE readings SET sensor = ?, boot = ?, timestamp_ms = ?, message = ?, taken = ? WHERE id = ?"
        with self._changing() as database:
            database.executemany(query, [(*entry.row(), number) for number, entry in changed])

    def remove(self, numbers: Sequence[int]) -> None:
        """Delete taken entries, all those up to the last of these numbers.

        They are not counted or given again even if they cannot be deleted: the next call deletes them as well.
        """
        count = sum(number >= self._first_number for number in numbers)  # the others are in a damaged file
        if not count:
            return
        self._done = numbers[-1]
        self._length -= count
        self._taken -= count
        self._delete("id <= ?", self._done)

    def _set_aside(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Move rows that were not taken into a file of JSON lines, or into the log if that cannot be written."""
        if not rows:
            return
        aside = self.path.with_name(f"{self.path.name}.set-aside")
        log.warning("%d rows of %s cannot be sent: they are kept in %s", len(rows), self.path, aside)
        append_rows(aside, rows)
        self._length -= len(rows)
        numbers = [row[0] for row in rows]
        try:
            self._delete(f"id IN ({','.join('?' * len(numbers))})", *numbers)
        except OSError:
            self._aside.update(numbers)

    def _delete(self, condition: str, *parameters: int) -> None:
        if self._length:
            with self._changing() as database:
                database.execute(f"DELETE FROM readings WHERE {condition}", parameters)
        self._remove_if_empty()

    def check(self) -> None:
        """Find out whether the disk takes readings again."""
        if self._is_spent:
            self._open()
            self._remove_if_empty()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.path.parent) as file:
            os.posix_fallocate(file.fileno(), 0, _ENOUGH_BYTES)

    def close(self) -> None:
        """Close the file. Its readings wait for the next run."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            database = connect(self.path)
            with errors(self.path):
                counts = "SELECT count(*), coalesce(max(id), 0) FROM readings WHERE id > ?"
                self._length, newest = database.execute(counts, (self._done,)).fetchone()
            self._next_number = max(self._next_number, newest + 1)
            self._database, self._is_spent = database, False
        return self._database

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """What is whole on the disk at the end, or not at all. Raises DamageError and OSError."""
        database = self._open()
        with errors(self.path), database:
            yield database

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """The same where a damaged file is not tried again."""
        try:
            with self._transaction() as database:
                yield database
        except DamageError as error:
            self._quarantine(error)
            raise OSError("it was damaged") from error

    def _rows(self, query: str, *parameters: int) -> list[tuple[Any, ...]]:
        if self._database is None:
            return []
        try:
            with errors(self.path):
                return self._database.execute(query, parameters).fetchall()
        except DamageError as error:
            self._quarantine(error)
            return []

    def _remove_if_empty(self) -> None:
        if self._length == 0 and self._database is not None:
            self.close()
            self._is_spent = True
            for file in files_of(self.path):
                file.unlink(missing_ok=True)
            self._is_full_logged = self._is_spent = False
            self._done = self._last_taken = _BEFORE_ALL

    def _quarantine(self, error: DamageError) -> None:
        self.close()
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
        try:
            rename(self.path, aside)
        except OSError as why:
            raise OSError(f"it is damaged ({error}) and cannot be renamed: {why.strerror}") from error
        log.error("%s is damaged (%s); it is kept as %s", self.path, error, aside.name)
        self._length = self._taken = 0
        self._done = self._last_taken = _BEFORE_ALL
        self._first_number = self._next_number
