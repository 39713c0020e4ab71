"""Faults of the bus that can be planted: failing transactions and torn reads.

A brown-out is a chip's own doing: ``EmulatedBoard.brown_out``.
"""

import os
from typing import Protocol


class Fault(Protocol):
    """Looks at each transaction before the chip does, and at each byte read after it."""

    def before(self, address: int) -> None:
        """Raises OSError where the transaction fails."""

    def after(self, address: int, register: int, value: int) -> int:
        """The byte that the reader gets to see."""


class FailingTransactions:
    """The next ``times`` transactions with one chip end in an OSError; all of them when ``times`` is None."""

    def __init__(self, address: int, number: int, times: int | None = None) -> None:
        self._address, self._number, self._left = address, number, times

    def before(self, address: int) -> None:
        """Fail while some are left."""
        if address == self._address and self._left != 0:
            if self._left is not None:
                self._left -= 1
            raise OSError(self._number, os.strerror(self._number))

    def after(self, address: int, register: int, value: int) -> int:
        """Leave bytes alone."""
        return value


class TornByte:
    """The next ``times`` byte reads of one register still see the sample before, ``difference`` away.

    With ``difference`` 1 at 0xFA, the temperature's high byte, the library computes 1.28 °C too much.
    """

    def __init__(self, address: int, register: int, difference: int, times: int = 1) -> None:
        self._where, self._difference, self._left = (address, register), difference, times

    def before(self, address: int) -> None:
        """Let the transaction pass."""

    def after(self, address: int, register: int, value: int) -> int:
        """The byte of the sample before."""
        if (address, register) == self._where and self._left:
            self._left -= 1
            return (value + self._difference) & 0xFF
        return value
