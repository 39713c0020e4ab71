"""The EnviroPhat's driver: takes readings through the real library, and works around the library's faults.

The same code runs on real I²C and on the emulated board. docs/sensor.md describes the faults.
Only one thread may use it, because the library's chips share lists.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from sensorpi.common.daemon.outage import Outage
from sensorpi.sensor.board.chips import WARM_UP_S, Chip, Light, Motion, Weather
from sensorpi.sensor.board.library import Board, load_library

log = logging.getLogger(__name__)

#: The maximum wait before a chip that is down is set up again.
LONGEST_WAIT_S = 10.0
#: How often a transaction is tried before the chip counts as down, and the time between the tries.
TRIES, BETWEEN_TRIES_S = 3, 0.01


@dataclass
class _Watched:
    """A chip and its state."""

    chip: Chip
    outage: Outage
    set_up: bool = False
    not_before_s: float = field(default=0.0)  # in the board's time: the end of its warm-up, or its next try


class EnviroPhat:
    """Takes readings. The fields of a chip that fails are left out; the other chips are not affected."""

    def __init__(self, board: Board, correct: Callable[[dict[str, float]], None] | None = None) -> None:
        """Load the library and set up the chips. ``correct`` can change the values of each reading.

        Raises BoardMissingError.
        """
        self._board = board
        self._library = load_library(board)
        self._correct = correct
        self._watched = [
            _Watched(chip, Outage(chip.name, log, longest_s=LONGEST_WAIT_S))
            for chip in (Weather(self._library), Light(self._library), Motion(self._library))
        ]
        for watched in self._watched:
            self._attempt(watched, self._set_up)
        self._board.sleep(WARM_UP_S)

    @property
    def missing(self) -> list[str]:
        """Names of the chips that are down."""
        return [watched.chip.name for watched in self._watched if watched.outage.down]

    def read(self) -> dict[str, float]:
        """One reading: field name → value in the unit of ``sensorpi.common.reading.FIELD_UNITS``."""
        values: dict[str, float] = {}
        for watched in self._watched:
            if self._board.now_s() >= watched.not_before_s:
                values |= self._attempt(watched, self._measure)
        if self._correct is not None:
            self._correct(values)
        return values

    def close(self) -> None:
        """Switch the LEDs off."""
        try:
            self._library.leds.off()
        except Exception as error:  # GPIO libraries have their own exceptions, and the driver ends anyway
            log.debug("LEDs: %s", error)

    def _attempt(self, watched: _Watched, act: Callable[[_Watched], dict[str, float]]) -> dict[str, float]:
        """Try a few times. After that the chip counts as down, and is set up again after a growing wait."""
        for left in reversed(range(TRIES)):
            try:
                return act(watched)
            except OSError as error:
                if left:
                    self._board.sleep(BETWEEN_TRIES_S)
                    continue
                watched.set_up = False
                watched.not_before_s = self._board.now_s() + watched.outage.failed(error)
        return {}

    def _set_up(self, watched: _Watched) -> dict[str, float]:
        watched.set_up = False
        watched.chip.set_up()
        watched.set_up = True
        watched.not_before_s = self._board.now_s() + WARM_UP_S
        return {}

    def _measure(self, watched: _Watched) -> dict[str, float]:
        """Values of a chip that was configured all the time: its registers are checked after the values are read."""
        if not watched.set_up:
            return self._set_up(watched)
        values = watched.chip.measure()
        if not watched.chip.configured():
            watched.outage.failed("it has lost its settings, as after a brown-out")
            return self._set_up(watched)
        watched.outage.succeeded()
        return values
