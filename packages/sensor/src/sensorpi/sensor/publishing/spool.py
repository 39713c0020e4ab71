"""Readings on disk while Kafka is unavailable: an SQLite file, fsynced, bounded, and deleted when it is empty."""

import json
import logging
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensorpi.common.reading import kafka_key

log = logging.getLogger(__name__)

#: Five and a half days with one reading per second, about 150 MB.
MOST_READINGS = 500_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A reading as it is sent to Kafka."""

    sensor: str
    boot: str
    timestamp_ms: int
    message: bytes

    @property
    def key(self) -> bytes:
        """Its Kafka key. The host is taken from the message, so that a spool of any version gives the right key.

        Damaged bytes, which SQLite does not notice, are sent all the same: the job dead-letters them.
        """
        try:
            return kafka_key(self.sensor, json.loads(self.message)["host"])
        except (ValueError, TypeError, KeyError):
            return self.sensor.encode()


class Spool:
    """A queue in a file. When it is full, the oldest readings are dropped, which is logged once.

    The file exists only while there are readings in it: a healthy sensor does not write to its card.
    For one thread only. Every method raises OSError when the disk fails.
    """

    def __init__(self, directory: Path, most: int = MOST_READINGS) -> None:
        """Take over what an earlier run left. A damaged file is renamed, which is logged."""
        self.path = directory / "spool.sqlite3"
        self._most = most
        self._database: sqlite3.Connection | None = None
        self._length = 0
        self._is_full_logged = False
        if self.path.exists():
            try:
                self._open()
            except sqlite3.DatabaseError as error:
                self._quarantine(error)
            else:
                self._remove_if_empty()

    def __len__(self) -> int:
        return self._length

    def latest_timestamps(self) -> dict[str, int]:
        """For each sensor, the newest timestamp (ms) in the spool."""
        rows = self._rows("SELECT sensor, max(timestamp_ms) FROM readings GROUP BY sensor")
        return dict(rows)

    def append(self, entries: Iterable[Entry]) -> None:
        """Add these, in order. On return they are on the disk."""
        rows = [(entry.sensor, entry.boot, entry.timestamp_ms, entry.message) for entry in entries]
        try:
            self._insert(rows)
        except sqlite3.OperationalError as error:
            raise OSError(f"{self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            self._quarantine(error)
            self._insert(rows)

    def first(self, most: int) -> list[tuple[int, Entry]]:
        """Up to ``most`` of the oldest entries, each with its number for ``remove``."""
        rows = self._rows("SELECT id, sensor, boot, timestamp_ms, message FROM readings ORDER BY id LIMIT ?", most)
        return [(row[0], Entry(*row[1:])) for row in rows]

    def remove(self, up_to: int) -> None:
        """Remove every entry up to this number, in one write."""
        if self._database is None:
            return
        try:
            with self._database:
                self._length -= self._database.execute("DELETE FROM readings WHERE id <= ?", (up_to,)).rowcount
        except sqlite3.DatabaseError as error:
            raise OSError(f"{self.path}: {error}") from error
        self._remove_if_empty()

    def close(self) -> None:
        """Close the file. Its readings wait for the next run."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self.path, check_same_thread=False)
            try:
                (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
                if verdict != "ok":
                    raise sqlite3.DatabaseError(verdict)
                database.execute("PRAGMA journal_mode=WAL")
                database.execute("PRAGMA synchronous=FULL")  # each commit is fsynced
                database.execute(
                    "CREATE TABLE IF NOT EXISTS readings (id INTEGER PRIMARY KEY AUTOINCREMENT, sensor TEXT NOT NULL,"
                    " boot TEXT NOT NULL, timestamp_ms INTEGER NOT NULL, message BLOB NOT NULL)"
                )
                (self._length,) = database.execute("SELECT count(*) FROM readings").fetchone()
            except sqlite3.DatabaseError:
                database.close()
                raise
            self._database = database
        return self._database

    def _insert(self, rows: list[tuple[str, str, int, bytes]]) -> None:
        database = self._open()
        excess = self._length + len(rows) - self._most
        with database:
            database.executemany("INSERT INTO readings (sensor, boot, timestamp_ms, message) VALUES (?, ?, ?, ?)", rows)
            if excess > 0:
                database.execute(
                    "DELETE FROM readings WHERE id IN (SELECT id FROM readings ORDER BY id LIMIT ?)", (excess,)
                )
        self._length += len(rows) - max(excess, 0)
        if excess > 0 and not self._is_full_logged:
            self._is_full_logged = True
            log.warning("%s is full with %d readings: the oldest are dropped", self.path, self._most)

    def _rows(self, query: str, *parameters: int) -> list[Any]:
        if self._database is None:
            return []
        try:
            return self._database.execute(query, parameters).fetchall()
        except sqlite3.OperationalError as error:
            raise OSError(f"{self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            self._quarantine(error)
            return []

    def _files(self) -> list[Path]:
        return [self.path.with_name(self.path.name + suffix) for suffix in ("", "-wal", "-shm")]

    def _remove_if_empty(self) -> None:
        if self._length == 0:
            self.close()
            for file in self._files():
                file.unlink(missing_ok=True)
            self._is_full_logged = False

    def _quarantine(self, error: Exception) -> None:
        self.close()
        self._length = 0
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
        for file in self._files():
            if file.exists():
                file.rename(file.with_name(file.name.replace(self.path.name, aside.name)))
        log.error("%s is damaged (%s); it is kept as %s", self.path, error, aside.name)
