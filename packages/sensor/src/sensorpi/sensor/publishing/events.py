"""A stream of JSON lines about each reading, for another program.

Those about readings are written together: each write lets the other threads run, and they take milliseconds.
"""

import json
import logging
import os
import threading
from contextlib import suppress
from typing import IO

from sensorpi.common.errors import UserError
from sensorpi.sensor.stamping.entry import Entry

_log = logging.getLogger(__name__)


class Events:
    """Writes lines to a file descriptor or a file, from any thread; does nothing if there is none."""

    def __init__(self, where: str | None) -> None:
        """``where`` is the number of a file descriptor, or a path."""
        self._lock = threading.Lock()
        self._file: IO[str] | None = None
        self._lines: list[str] = []
        if where is not None:
            try:
                descriptor = int(where) if where.isdigit() else os.open(where, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                self._file = os.fdopen(descriptor, "w", encoding="utf-8")
            except OSError as error:
                raise UserError(f"--events {where}: {error.strerror}") from error

    def emit(self, event: str, **details: object) -> None:
        """Write one line at once, after those before it."""
        self._add(event, details)
        self.flush()

    def flush(self) -> None:
        """Write what is not written yet. If that fails, no more events are written; readings are still taken."""
        with self._lock:
            if self._file is None or not self._lines:
                return
            text = "".join(self._lines)
            self._lines.clear()
            try:
                self._file.write(text)
                self._file.flush()
            except OSError as error:
                _log.warning("No more events are written: %s. Readings are still taken.", error.strerror)
                self.close()

    def _add(self, event: str, details: dict[str, object]) -> None:
        if self._file is None:
            return
        line = json.dumps({"event": event, **details}, separators=(",", ":"))
        with self._lock:
            self._lines.append(line + "\n")

    def read(self, entry: Entry) -> None:
        """Tell, with the next ``flush``, that a reading was taken and has its timestamp."""
        if self._file is not None:
            self._add("read", _details(entry))

    def held(self, entry: Entry) -> None:
        """The same for a reading that does not have a timestamp yet; ``read`` follows when it has one."""
        if self._file is not None:
            self._add("held", {name: value for name, value in _details(entry).items() if name != "timestamp"})

    def close(self) -> None:
        """Close the stream."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # a reader that has gone was reported before
                file.close()


def _details(entry: Entry) -> dict[str, object]:
    content = json.loads(entry.message)
    own = {name: content.pop(name) for name in ("sensor", "host", "boot", "sequence", "timestamp")}
    return {**own, "monotonic_ns": entry.taken and entry.taken.monotonic_ns, "values": content}
