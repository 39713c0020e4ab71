"""The board on real I²C, through python3-smbus."""

import importlib
import time
from pathlib import Path
from types import ModuleType

from sensorpi.sensor.board.gpio import gpio_modules
from sensorpi.sensor.board.library import BoardMissingError
from sensorpi.sensor.board.probe import i2c_trouble


class RealBoard:
    """The Raspberry Pi's own bus, whose chips run in real time."""

    def __init__(self, devices: Path = Path("/dev")) -> None:
        self._devices = devices

    def smbus_module(self) -> ModuleType:
        """python3-smbus. Raises BoardMissingError if it or the bus is missing, or the bus cannot be opened."""
        trouble = i2c_trouble(self._devices)
        if trouble is not None:
            raise BoardMissingError(trouble)
        try:
            return importlib.import_module("smbus")
        except ImportError as error:
            raise BoardMissingError("Python's smbus is missing: apt install python3-smbus") from error

    def gpio_modules(self) -> list[object]:
        """GPIO libraries in the order to try them."""
        return gpio_modules()

    def now_s(self) -> float:
        """The monotonic clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
