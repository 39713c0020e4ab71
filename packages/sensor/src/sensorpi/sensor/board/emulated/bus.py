"""The emulated I²C bus: the calls of python3-smbus, answered by emulated chips."""

import errno
from collections.abc import Sequence
from typing import Protocol

from sensorpi.sensor.board.emulated.faults import Fault


class Chip(Protocol):
    """A device on the bus, with its registers."""

    def read(self, register: int) -> int:
        """The byte of a register, as a transaction that starts there reads it."""

    def read_block(self, register: int, length: int) -> list[int]:
        """The bytes of one transaction that starts at a register."""

    def write(self, register: int, value: int) -> None:
        """Store one byte."""

    def power_on(self) -> None:
        """Set every register to its value after power-on."""


class EmulatedBus:
    """Replaces ``smbus.SMBus``. Raises OSError 121 when no chip answers, as Linux does."""

    def __init__(self, chips: dict[int, Chip]) -> None:
        self.chips = chips
        self.faults: list[Fault] = []
        self.transactions = 0

    def _chip(self, address: int) -> Chip:
        self.transactions += 1
        for fault in self.faults:
            fault.before(address)
        try:
            return self.chips[address]
        except KeyError:
            raise OSError(errno.EREMOTEIO, "Remote I/O error") from None

    def read_byte_data(self, address: int, register: int) -> int:
        """One byte."""
        value = self._chip(address).read(register)
        for fault in self.faults:
            value = fault.after(address, register, value)
        return value

    def read_word_data(self, address: int, register: int) -> int:
        """Two bytes, the first one low, as SMBus has it."""
        low, high = self._chip(address).read_block(register, 2)
        return low | high << 8

    def read_i2c_block_data(self, address: int, register: int, length: int = 32) -> list[int]:
        """``length`` bytes in one transaction."""
        return self._chip(address).read_block(register, length)

    def write_byte_data(self, address: int, register: int, value: int) -> None:
        """One byte."""
        self._chip(address).write(register, value)

    def write_i2c_block_data(self, address: int, register: int, values: Sequence[int]) -> None:
        """Bytes to a register and those after it."""
        chip = self._chip(address)
        for offset, value in enumerate(values):
            chip.write(register + offset, value)

    def close(self) -> None:
        """Do nothing: python3-smbus has this method, too."""
