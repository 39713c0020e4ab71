"""Faults of the bus for tests: failing transactions and torn reads.

``EmulatedBoard.brown_out`` is the fault of a chip.
"""

import os
from typing import Protocol


class Fault(Protocol):
    """Is called before each transaction, and after each byte that is read."""

    def before(self, address: int) -> None:
        """Raise OSError if the transaction has to fail."""

    def after(self, address: int, register: int, value: int) -> int:
        """The byte that the reader gets."""


class FailingTransactions:
    """The next ``times`` transactions with one chip raise OSError; all of them if ``times`` is None."""

    def __init__(self, address: int, number: int, times: int | None = None) -> None:
        self._address, self._number, self._left = address, number, times

    def before(self, address: int) -> None:
        """Raise OSError for the remaining times."""
        if address == self._address and self._left != 0:
            if self._left is not None:
                self._left -= 1
            raise OSError(self._number, os.strerror(self._number))

    def after(self, address: int, register: int, value: int) -> int:
        """Return the byte unchanged."""
        return value


class TornByte:
    """The next ``times`` byte reads of one register return the previous sample's byte, which differs by ``difference``.

    With ``difference`` 1 at 0xFA, the temperature's high byte, the library computes 1.28 °C too much.
    """

    def __init__(self, address: int, register: int, difference: int, times: int = 1) -> None:
        self._where, self._difference, self._left = (address, register), difference, times

    def before(self, address: int) -> None:
        """Do nothing."""

    def after(self, address: int, register: int, value: int) -> int:
        """The byte of the previous sample, for the remaining times."""
        if (address, register) == self._where and self._left:
            self._left -= 1
            return (value + self._difference) & 0xFF
        return value
