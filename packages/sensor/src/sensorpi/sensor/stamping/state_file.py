"""The small JSON files that a sensor reads when it starts: whatever is in them, it starts."""

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

log = logging.getLogger(__name__)

Content = TypeVar("Content")

#: No file of ours comes near this size. A larger one is not read.
_MOST_BYTES = 64_000_000


def read_state(file: Path, parse: Callable[[object], Content], empty: Content) -> Content:
    """What ``parse`` makes of the JSON in a file; ``empty`` if there is no file or it cannot be used.

    ``parse`` raises an exception for what is not right. Such a file is renamed and one line is logged.
    """
    if not os.path.lexists(file):
        return empty
    try:
        return parse(json.loads(_bytes(file)))
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
        aside = file.with_name(f"{file.name}.damaged-{time.time_ns()}")
        try:
            file.rename(aside)
        except OSError as why:
            kept = f"it is ignored, and cannot be renamed: {why.strerror}"
        else:
            kept = f"it is kept as {aside.name}"
        log.warning("%s cannot be used (%s); %s", file, reason[:200], kept)
        return empty


def _bytes(file: Path) -> bytes:
    if not file.is_file():
        raise ValueError("it is not a file")
    if file.stat().st_size > _MOST_BYTES:
        raise ValueError("it is too large")
    return file.read_bytes()
