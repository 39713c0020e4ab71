"""Keeps the rows of the spool that cannot be sent in a file of JSON lines."""

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

log = logging.getLogger(__name__)


def append_rows(file: Path, rows: Sequence[Sequence[object]]) -> None:
    """Append each row as an array. On return it is on the disk; if that fails, the rows are logged instead."""
    lines = [json.dumps([value if type(value) is int else repr(value) for value in row]) for row in rows]
    try:
        with file.open("a", encoding="utf-8") as stream:
            stream.writelines(f"{line}\n" for line in lines)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        log.warning("%s cannot be written: %s; the rows are %s", file, error.strerror, " ".join(lines))
