"""The emulated EnviroPhat: its chips on one bus, its LEDs, and the environment's clock."""

import types

from sensorpi.sensor.board.emulated import ads1015, bmp280, lsm303d, tcs3472
from sensorpi.sensor.board.emulated.bus import Chip, EmulatedBus
from sensorpi.sensor.board.emulated.environment import Moment
from sensorpi.sensor.board.emulated.surroundings import Surroundings
from sensorpi.sensor.board.gpio import StandInGPIO


class EmulatedBoard:
    """What the driver uses instead of an I²C bus. Only ``feel`` and ``sleep`` advance its clock."""

    def __init__(self) -> None:
        self.surroundings = Surroundings()
        self.chips: dict[int, Chip] = {
            bmp280.ADDRESS: bmp280.BMP280(self.surroundings),
            tcs3472.ADDRESS: tcs3472.TCS3472(self.surroundings),
            lsm303d.ADDRESS: lsm303d.LSM303D(self.surroundings),
            ads1015.ADDRESS: ads1015.ADS1015(),
        }
        self.bus = EmulatedBus(self.chips)
        self.gpio = StandInGPIO()
        self._first_s: float | None = None

    def smbus_module(self) -> types.ModuleType:
        """A module ``smbus`` that has this board's bus under every number."""
        module = types.ModuleType("smbus")
        module.SMBus = lambda _number: self.bus  # type: ignore[attr-defined]
        return module

    def gpio_modules(self) -> list[object]:
        """The one GPIO library to try."""
        return [self.gpio]

    def now_s(self) -> float:
        """The environment's time, in seconds since the board was made."""
        return self.surroundings.now_s

    def sleep(self, seconds: float) -> None:
        """Advance the environment's time; no real time passes."""
        self.surroundings.now_s += seconds

    def feel(self, moment: Moment) -> None:
        """Set what the chips measure, until the next moment. Their time never runs backwards."""
        if moment.conditions is not None:
            self.surroundings.conditions = moment.conditions
        if self._first_s is None:  # the warm-up is over, and the first moment is now
            self._first_s = self.surroundings.now_s - moment.environment_s
        self.surroundings.now_s = max(self.surroundings.now_s, self._first_s + moment.environment_s)

    def brown_out(self, *addresses: int) -> None:
        """Interrupt the power of these chips, or of all chips."""
        for address in addresses or tuple(self.chips):
            self.chips[address].power_on()
