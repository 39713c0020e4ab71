"""A stream of JSON lines that tells another program what the sensor does, reading by reading."""

import json
import logging
import os
import threading
from contextlib import suppress
from typing import IO

from sensorpi.common.errors import UserError
from sensorpi.common.reading import Reading

_log = logging.getLogger(__name__)


class Events:
    """Writes lines to a file descriptor or file, from any thread; to nowhere when there is none."""

    def __init__(self, where: str | None) -> None:
        """``where`` is a number, the file descriptor, or a path."""
        self._lock = threading.Lock()
        self._file: IO[str] | None = None
        if where is not None:
            try:
                descriptor = int(where) if where.isdigit() else os.open(where, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                self._file = os.fdopen(descriptor, "w", encoding="utf-8")
            except OSError as error:
                raise UserError(f"--events {where}: {error.strerror}") from error

    def emit(self, event: str, **details: object) -> None:
        """One line, seen at once by its reader. When nobody takes it there are no more; the readings go on."""
        if self._file is None:
            return
        line = json.dumps({"event": event, **details}, separators=(",", ":"))
        with self._lock:
            if self._file is None:
                return
            try:
                self._file.write(line + "\n")
                self._file.flush()
            except OSError as error:
                _log.warning("Events are written no longer, readings go on: %s", error.strerror)
                self.close()

    def read(self, reading: Reading, monotonic_ns: int) -> None:
        """A reading was taken, at this instant of ``time.monotonic_ns``."""
        if self._file is not None:
            self.emit(
                "read",
                sensor=reading.sensor,
                host=reading.host,
                boot=reading.boot,
                sequence=reading.sequence,
                timestamp=reading.timestamp_ms,
                monotonic_ns=monotonic_ns,
                values=reading.values,
            )

    def close(self) -> None:
        """The reader sees the end."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # what did not go out before does not now
                file.close()
