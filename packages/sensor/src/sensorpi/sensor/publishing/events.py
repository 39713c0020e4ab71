"""A stream of JSON lines about each reading, for another program."""

import json
import logging
import os
import threading
from contextlib import suppress
from typing import IO

from sensorpi.common.errors import UserError
from sensorpi.common.reading import Reading
from sensorpi.sensor.stamping.stamps import Sample

_log = logging.getLogger(__name__)


class Events:
    """Writes lines to a file descriptor or a file, from any thread; does nothing if there is none."""

    def __init__(self, where: str | None) -> None:
        """``where`` is the number of a file descriptor, or a path."""
        self._lock = threading.Lock()
        self._file: IO[str] | None = None
        if where is not None:
            try:
                descriptor = int(where) if where.isdigit() else os.open(where, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                self._file = os.fdopen(descriptor, "w", encoding="utf-8")
            except OSError as error:
                raise UserError(f"--events {where}: {error.strerror}") from error

    def emit(self, event: str, **details: object) -> None:
        """Write one line at once. If that fails, no more events are written; readings are still taken."""
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
                _log.warning("No more events are written: %s. Readings are still taken.", error.strerror)
                self.close()

    def read(self, reading: Reading, monotonic_ns: int) -> None:
        """Write that a reading was taken, at this value of ``time.monotonic_ns``."""
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

    def held(self, sample: Sample) -> None:
        """Write that a reading was taken that does not have a timestamp yet; ``read`` follows when it has one."""
        if self._file is not None:
            self.emit(
                "held",
                sensor=sample.sensor,
                host=sample.host,
                boot=sample.boot,
                sequence=sample.sequence,
                monotonic_ns=sample.monotonic_ns,
                values=sample.values,
            )

    def close(self) -> None:
        """Close the stream."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # a reader that has gone was reported before
                file.close()
