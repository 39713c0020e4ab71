"""The three chips of a reading: how each is set up, checked and read through the library.

Whether a chip works is decided by its control registers, never by its values: darkness, weightlessness and constant
values are valid. The register values are those that envirophat 1.0.1 writes.
"""

from statistics import median
from typing import Any, Protocol

#: Seconds after set-up during which a chip's values cannot be trusted: two integrations of the TCS3472
#: (511 ms) and the first conversions of the BMP280 (0.5 s apart).
WARM_UP_S = 1.1


class Chip(Protocol):
    """One chip of the board."""

    name: str

    def set_up(self) -> None:
        """Configure the chip, even if the library believes that it is configured. Raises OSError."""

    def configured(self) -> bool:
        """Whether its control registers still are as set-up wrote them, unlike after a brown-out. Raises OSError."""

    def measure(self) -> dict[str, float]:
        """Field name → value, from one sample. Raises OSError."""


class Weather:
    """The BMP280: temperature (°C) and pressure (Pa)."""

    name = "BMP280 (temperature, pressure)"
    _CONTROL, _CONFIG = (0xF4, 0xB7), (0xF5, 0x90)

    def __init__(self, library: Any) -> None:
        self._chip = library.weather

    def set_up(self) -> None:
        """Reset and configure the chip, which takes 0.6 s."""
        self._chip._is_setup = False
        self._chip.update()

    def configured(self) -> bool:
        """Whether it is configured; after a brown-out it sleeps, which its control register shows."""
        bus, address = self._chip.i2c_bus, self._chip.addr
        return all(bus.read_byte_data(address, register) == value for register, value in (self._CONTROL, self._CONFIG))

    def measure(self) -> dict[str, float]:
        """The median of three successive reads.

        The library reads byte by byte, so one of the three may mix two conversions, but not a second one,
        because conversions are 0.5 s apart.
        """
        pairs = []
        for _ in range(3):
            self._chip.update()
            pairs.append((self._chip._temperature, self._chip._pressure))  # its getters would update again
        temperatures, pressures = zip(*pairs, strict=True)
        return {"temperature": median(temperatures), "pressure": median(pressures)}


class Light:
    """The TCS3472: clear count, and red, green and blue from 0 to 255 relative to it."""

    name = "TCS3472 (light)"
    _ENABLE, _ATIME = (0x80, 0x03), (0x81, 0x2B)

    def __init__(self, library: Any) -> None:
        self._chip = library.light

    def set_up(self) -> None:
        """Configure the chip."""
        _set_up_again(self._chip)

    def configured(self) -> bool:
        """Whether it is configured; after a brown-out it is off."""
        bus, address = self._chip.i2c_bus, self._chip.addr
        return all(bus.read_byte_data(address, register) == value for register, value in (self._ENABLE, self._ATIME))

    def measure(self) -> dict[str, float]:
        """All four from one read, since the library's light() and rgb() would each read again."""
        red, green, blue, clear = self._chip.raw()
        colours = [int(channel / clear * 255) if clear else 0 for channel in (red, green, blue)]  # as rgb() does
        return {"lightv": clear, "lightr": colours[0], "lightg": colours[1], "lightb": colours[2]}


class Motion:
    """The LSM303D: acceleration (g) and tilt-compensated heading (°)."""

    name = "LSM303D (motion, heading)"
    _CONTROL, _CONFIGURED = 0xA0, [0x57, 0xC0, 0x00, 0x00, 0x90, 0x00, 0x00]

    def __init__(self, library: Any) -> None:
        self._chip = library.motion

    def set_up(self) -> None:
        """Configure the chip."""
        _set_up_again(self._chip)

    def configured(self) -> bool:
        """Whether it is configured; after a brown-out it is powered down."""
        registers = self._chip.i2c_bus.read_i2c_block_data(self._chip.addr, self._CONTROL, len(self._CONFIGURED))
        return list(registers) == self._CONFIGURED

    def measure(self) -> dict[str, float]:
        """Acceleration and heading. The heading is left out if the library cannot compute it."""
        acceleration = self._chip.accelerometer()
        heading = self._chip.heading()
        values = {} if heading is None else {"heading": float(heading)}
        return values | {"motionx": acceleration.x, "motiony": acceleration.y, "motionz": acceleration.z}


def _set_up_again(chip: Any) -> None:
    """Have the library configure a chip. The library does so only if its mark for the chip is not set."""
    chip._is_setup = False
    try:
        chip.setup()
    except OSError:
        chip._is_setup = False
        raise
