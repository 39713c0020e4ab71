"""The spool's SQLite file: how it is opened in every state of the disk, and what an error of SQLite means."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TABLE = (
    "CREATE TABLE IF NOT EXISTS readings (id INTEGER PRIMARY KEY AUTOINCREMENT, sensor TEXT NOT NULL,"
    " boot TEXT NOT NULL, timestamp_ms INTEGER NOT NULL, message BLOB NOT NULL, taken TEXT)"
)
_COLUMNS = ["id", "sensor", "boot", "timestamp_ms", "message"]
#: Another program's lock is waited for that long, so that the publisher is not held up.
_LOCK_S = 0.2
#: What SQLite itself calls damage. Everything else is a state of the disk that can pass.
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class DamageError(Exception):
    """SQLite's own check calls the file damaged, or it is not a spool."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, or make it. Raises DamageError, or OSError for a state of the disk.

    The lock is exclusive: no second sensor can use the file, and SQLite needs no -shm file, for which a full disk has
    no space. A read-only file system does not give the lock; there the file is read without it.
    """
    is_new = not os.path.lexists(path)
    if not is_new and not path.is_file():
        raise DamageError("it is not a file")
    with errors(path):
        try:
            if is_new:
                _open(str(path), "OFF").close()
                _flush(path)
            return _open(str(path))
        except sqlite3.OperationalError as error:
            if is_new:
                with suppress(OSError):
                    path.unlink()  # it is empty
            elif _code(error) == sqlite3.SQLITE_ERROR:  # an unknown file format; no state of the disk has this code
                raise DamageError(str(error)) from error
            elif _code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL):
                log = path.with_name(f"{path.name}-wal")
                how = "mode=ro&vfs=unix-none" if log.exists() else "immutable=1"
                with suppress(sqlite3.OperationalError):
                    return _open(f"{path.absolute().as_uri()}?{how}")
            raise


def _open(name: str, synchronous: str = "FULL") -> sqlite3.Connection:
    """``synchronous``: with FULL each commit is fsynced, with OFF none."""
    database = sqlite3.connect(name, uri=name.startswith("file:"), check_same_thread=False, timeout=_LOCK_S)
    database.text_factory = lambda text: text.decode(errors="replace")  # a row with damaged text can still be read
    try:
        database.execute("PRAGMA locking_mode=EXCLUSIVE")
        (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise DamageError(verdict)
        database.execute(f"PRAGMA synchronous={synchronous}")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(_TABLE)
        columns = [row[1] for row in database.execute("PRAGMA table_info(readings)")]
        keys = [row[1:3] for row in database.execute("PRAGMA table_info(readings)") if row[5]]
        if columns == _COLUMNS:  # a spool of version 0.x
            database.execute("ALTER TABLE readings ADD COLUMN taken TEXT")
        parts = database.execute("SELECT type FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
        if columns not in (_COLUMNS, [*_COLUMNS, "taken"]) or keys != [("id", "INTEGER")] or parts != [("table",)]:
            raise DamageError("it is not a spool")
    except BaseException:
        database.close()
        raise
    return database


def _flush(path: Path) -> None:
    """Bring a new file and its name to the disk, at once instead of with each step of making it.

    It must not be open: closing a second descriptor of a file drops SQLite's lock on it.
    """
    for each in (path, path.parent):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into DamageError, or OSError with one line that says in which state the disk is."""
    try:
        yield
    except sqlite3.Error as error:
        if _code(error) in _DAMAGE:
            raise DamageError(str(error)) from error
        raise OSError(_state(path, error)) from error
    except UnicodeDecodeError as error:  # an error of SQLite's that quotes the damaged schema
        raise DamageError("its schema is not text") from error


def _code(error: sqlite3.Error) -> int | None:
    """SQLite's primary error code. Errors of Python's module do not have one."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _state(path: Path, error: sqlite3.Error) -> str:
    if _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "another process has locked it"
    with suppress(OSError):
        disk = os.statvfs(path.parent)
        if disk.f_flag & os.ST_RDONLY:
            return "its file system is read-only"
        if _code(error) == sqlite3.SQLITE_FULL or disk.f_bavail == 0:
            return "the disk is full"
    files = [path, path.parent] if path.exists() else [path.parent]
    if not all(os.access(file, os.R_OK | os.W_OK, effective_ids=True) for file in files):
        return "no permission to read and write it"
    return str(error)


def files_of(path: Path) -> list[Path]:
    """The file, and those that SQLite keeps beside it."""
    return [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]


def rename(path: Path, new: Path) -> None:
    """Rename the file and those beside it."""
    for old, renamed in zip(files_of(path), files_of(new), strict=True):
        if os.path.lexists(old):
            old.rename(renamed)
