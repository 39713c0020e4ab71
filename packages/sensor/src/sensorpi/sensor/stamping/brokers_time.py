"""What a run has heard of the brokers' time, kept in the runtime directory (in memory) for the next run."""

import json
import logging
import time
from pathlib import Path

from sensorpi.common.daemon import untrusted
from sensorpi.common.errors import UserError
from sensorpi.common.files import write

log = logging.getLogger(__name__)

#: The monotonic clock is exact for days, so the file need not be new.
_EVERY_S = 10.0


class BrokersTime:
    """A small file: from the monotonic clock to the brokers' time, in ns, at least and at most."""

    def __init__(self, runtime: Path, boot: str) -> None:
        """``boot`` is the kernel's, in which monotonic times are valid."""
        self._file, self._boot = runtime / "brokers-time.json", boot
        self._next_s = 0.0

    def read(self) -> tuple[int, int] | None:
        """What was written last since the machine was started; None if nothing was."""
        return untrusted.load(self._file, self._offset_ns)

    def _offset_ns(self, text: str) -> tuple[int, int] | None:
        content = untrusted.parse_json(text)
        if not isinstance(content, dict) or type(content["least_ns"]) is not int or type(content["most_ns"]) is not int:
            raise TypeError("not two numbers")
        return (content["least_ns"], content["most_ns"]) if content["boot"] == self._boot else None

    def write(self, offset_ns: tuple[int, int]) -> None:
        """Write it now and then."""
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + _EVERY_S
            try:
                write(self._file, json.dumps({"boot": self._boot, "least_ns": offset_ns[0], "most_ns": offset_ns[1]}))
            except UserError as error:
                log.warning("%s", error)
