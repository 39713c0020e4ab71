"""The LSM303D's registers: acceleration, and the magnetic field from which the library computes a given heading.

Source: ST LSM303D datasheet, section 8. The field is computed by inverting the envirophat library's tilt compensation.
"""

import math
import struct

from sensorpi.sensor.board.emulated.environment import Conditions
from sensorpi.sensor.board.emulated.surroundings import Surroundings

ADDRESS = 0x1D
AUTO_INCREMENT, REGISTER_MASK = 0x80, 0x7F
MAGNETIC, WHO_AM_I, CTRL1, CTRL2, CTRL5, CTRL6, CTRL7, ACCELERATION = 0x08, 0x0F, 0x20, 0x21, 0x24, 0x25, 0x26, 0x28
IDENTITY = 0x49
COUNTS_PER_G = 16_384
GAUSS_PER_COUNT = 80e-6
#: The Earth's field at middle latitudes, horizontal and down.
HORIZONTAL_GAUSS, DOWN_GAUSS = 0.19, 0.45

#: After power-on: acceleration and magnetic sensor powered down (CTRL1's rate 0, CTRL7's mode 3).
POWER_ON = {WHO_AM_I: IDENTITY, CTRL1: 0x07, CTRL5: 0x18, CTRL6: 0x20, CTRL7: 0x03}


def acceleration_counts(acceleration_g: tuple[float, float, float]) -> tuple[int, int, int]:
    """Counts at ±2 g, saturated."""
    x, y, z = (min(max(round(g * COUNTS_PER_G), -32_768), 32_767) for g in acceleration_g)
    return x, y, z


def tilt(acceleration: tuple[int, int, int]) -> tuple[float, float]:
    """Pitch and roll in radians, exactly as the library computes them from these counts.

    It limits each axis to ±1 g, and uses a roll of 0 where the pitch does not allow another.
    """
    x, y = (math.copysign(min(abs(counts / COUNTS_PER_G), 1.0), counts) for counts in acceleration[:2])
    pitch = math.asin(-x)
    roll = math.asin(y / math.cos(pitch)) if abs(math.cos(pitch)) >= abs(y) else 0.0
    return pitch, roll


def magnetic_counts(heading_deg: float, acceleration: tuple[int, int, int]) -> tuple[int, int, int]:
    """The field, in counts, from which the library computes this heading, to 0.05°, at this acceleration."""
    pitch, roll = tilt(acceleration)
    sin_p, cos_p, sin_r, cos_r = math.sin(pitch), math.cos(pitch), math.sin(roll), math.cos(roll)
    heading = math.radians(heading_deg)
    ahead, right, down = HORIZONTAL_GAUSS * math.cos(heading), HORIZONTAL_GAUSS * math.sin(heading), DOWN_GAUSS
    x = cos_p * ahead + sin_r * sin_p * right - cos_r * sin_p * down
    y = cos_r * right + sin_r * down
    z = sin_p * ahead - sin_r * cos_p * right + cos_r * cos_p * down
    return round(x / GAUSS_PER_COUNT), round(y / GAUSS_PER_COUNT), round(z / GAUSS_PER_COUNT)


class LSM303D:
    """After power-on it is powered down: acceleration and field read 0 until the control registers are set."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._felt: Conditions | None = None
        self._registers = bytearray(128)
        self.power_on()

    def power_on(self) -> None:
        """Set every register to the datasheet's default."""
        self._registers = bytearray(128)
        for register, value in POWER_ON.items():
            self._registers[register] = value
        self._felt = None

    def _measure(self) -> None:
        conditions = self._surroundings.conditions
        if conditions is self._felt:
            return
        self._felt = conditions
        acceleration = acceleration_counts(conditions.acceleration_g)
        accelerometer_on = self._registers[CTRL1] >> 4
        magnetometer_on = self._registers[CTRL7] & 3 == 0
        field = magnetic_counts(conditions.heading_deg, acceleration) if magnetometer_on else (0, 0, 0)
        struct.pack_into("<hhh", self._registers, ACCELERATION, *(acceleration if accelerometer_on else (0, 0, 0)))
        struct.pack_into("<hhh", self._registers, MAGNETIC, *field)

    def read(self, register: int) -> int:
        """The byte of a register."""
        return self.read_block(register, 1)[0]

    def read_block(self, register: int, length: int) -> list[int]:
        """The bytes of several registers; without the auto-increment bit, one register's byte repeated."""
        self._measure()
        first = register & REGISTER_MASK
        if not register & AUTO_INCREMENT:
            return [self._registers[first]] * length
        return list(self._registers[first : first + length])

    def write(self, register: int, value: int) -> None:
        """Write a register. Only control registers can be written."""
        place = register & REGISTER_MASK
        if CTRL1 <= place <= CTRL7:
            self._registers[place] = value
            self._felt = None
