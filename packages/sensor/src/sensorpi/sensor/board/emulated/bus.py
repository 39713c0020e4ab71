"""The emulated I²C bus: python3-smbus's calls, answered by emulated chips."""

import errno
from collections.abc import Sequence
from typing import Protocol

from sensorpi.sensor.board.emulated.faults import Fault


class Chip(Protocol):
    """A device on the bus, as its registers behave."""

    def read(self, register: int) -> int:
        """The byte at a register, as a read that starts there sees it."""

    def read_block(self, register: int, length: int) -> list[int]:
        """The bytes of one transaction that starts at a register."""

    def write(self, register: int, value: int) -> None:
        """Store one byte."""

    def power_on(self) -> None:
        """Every register as it is after power comes on."""


class EmulatedBus:
    """Stands for ``smbus.SMBus``; raises OSError 121 where no chip answers, as Linux does."""

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
        """Nothing to release; python3-smbus has it."""
