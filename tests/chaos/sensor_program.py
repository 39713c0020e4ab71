"""`sensorpi sensor …` whose emulated board has the faults that a file names: `python -m … FILE sensor run …`."""

import errno
import itertools
import json
import os
import random
import select
import sys
import time
from pathlib import Path
from typing import SupportsFloat

from sensorpi.common.cli.main import main
from sensorpi.sensor.board.driver import EnviroPhat
from sensorpi.sensor.board.emulated import bmp280, board, lsm303d, tcs3472

_CHIPS = (bmp280.ADDRESS, tcs3472.ADDRESS, lsm303d.ADDRESS)
#: Of the transactions of a flaky bus.
_FLAKY = 0.2


class SteeredFault:
    """A fault of the bus that begins and ends when the file changes: ``{"fault": NAME, "number": N}``."""

    def __init__(self, file: Path, steered: board.EmulatedBoard) -> None:
        self._file, self._board = file, steered
        self._changed_ns, self._fault, self._number = 0, "", 0
        self._random = random.Random(0)

    def before(self, address: int) -> None:
        """Raise OSError if the transaction has to fail."""
        self._look()
        if self._fault == "no chip answers" or (self._fault == "one chip fails" and address == self._chip):
            raise OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))
        if self._fault == "flaky" and self._random.random() < _FLAKY:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def after(self, address: int, register: int, value: int) -> int:
        """The byte that the reader gets."""
        if self._fault == "torn bytes" and address == bmp280.ADDRESS and register == 0xFA:
            return value ^ (self._random.random() < _FLAKY)
        return value

    @property
    def _chip(self) -> int:
        return _CHIPS[self._number % len(_CHIPS)]

    def _look(self) -> None:
        try:
            changed_ns = self._file.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if changed_ns != self._changed_ns:
            self._changed_ns = changed_ns
            content = json.loads(self._file.read_text(encoding="utf-8"))
            self._fault, self._number = content["fault"], content["number"]
            if self._fault == "brown-out":
                self._board.brown_out(*_CHIPS[: 1 + self._number % len(_CHIPS)])


def _sleep(seconds: SupportsFloat) -> None:
    """``time.sleep``, which fails (EINVAL) under libfaketime 0.9.10 when that does not fake the monotonic clock."""
    select.select([], [], [], max(float(seconds), 0.0))


def _write_down(arguments: list[str]) -> None:
    """Append each reading to the file of ``--events`` at the moment it is taken, before anything else knows of it."""
    options = {name: arguments[place + 1] for place, name in enumerate(arguments[:-1]) if name.startswith("--")}
    ledger = os.open(options["--events"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    identity = {"event": "taken", "sensor": options["--sensor"], "host": options["--host"], "process": os.getpid()}
    read = EnviroPhat.read
    numbers = itertools.count(1)

    def read_and_write_down(driver: EnviroPhat) -> dict[str, float]:
        monotonic_ns = time.monotonic_ns()
        values = read(driver)
        line = {**identity, "number": next(numbers), "monotonic_ns": monotonic_ns, "values": values}
        line["written_ns"] = time.monotonic_ns()
        os.write(ledger, json.dumps(line, separators=(",", ":")).encode() + b"\n")
        return values

    EnviroPhat.read = read_and_write_down  # type: ignore[method-assign, assignment]


def run(arguments: list[str]) -> int:
    """Run the sensor. The first argument is the file."""
    file = Path(arguments[0])
    time.sleep = _sleep  # type: ignore[assignment]

    class SteeredBoard(board.EmulatedBoard):
        def __init__(self) -> None:
            super().__init__()
            self.bus.faults.append(SteeredFault(file, self))

    board.EmulatedBoard = SteeredBoard  # type: ignore[misc]
    _write_down(arguments)
    return main(arguments[1:])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
