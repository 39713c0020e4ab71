"""The BMP280's registers: temperature and pressure, by the inverse of its datasheet's formulas.

Source: Bosch BST-BMP280-DS001, sections 3.11.3, 4.3 and 8.1 (floating point compensation).
"""

import math
import struct

from sensorpi.sensor.board.emulated.environment import Conditions
from sensorpi.sensor.board.emulated.surroundings import Surroundings

ADDRESS = 0x77
CHIP_ID, CALIBRATION, ID, RESET, CONTROL, CONFIG, DATA = 0x58, 0x88, 0xD0, 0xE0, 0xF4, 0xF5, 0xF7
NOT_MEASURED = 0x80000
#: Seconds of one conversion at temperature ×16 and pressure ×16 (datasheet, table 13).
CONVERSION_S = 0.0432

T1, T2, T3 = 27504, 26435, -1000
P1, P2, P3, P4, P5, P6, P7, P8, P9 = 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000
CALIBRATION_BYTES = struct.pack("<HhhHhhhhhhhh", T1, T2, T3, P1, P2, P3, P4, P5, P6, P7, P8, P9)

#: The range for which the chip is rated. Outside of it, values are limited to its ends.
TEMPERATURE_RANGE_C = (-40.0, 85.0)
PRESSURE_RANGE_PA = (30_000.0, 110_000.0)


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])


def raw_values(temperature_c: float, pressure_pa: float) -> tuple[int, int]:
    """The 20-bit raw temperature and pressure that the compensation turns into these, to 0.0002 °C and 0.1 Pa."""
    t_fine = 5120 * _within(temperature_c, TEMPERATURE_RANGE_C)
    u = (-8 * T2 + math.sqrt(64 * T2**2 + 4 * T3 * t_fine)) / (2 * T3)
    raw_temperature = round(131_072 * (u + T1 / 8192))

    u = raw_temperature / 131_072 - T1 / 8192  # the pressure is compensated with the rounded temperature
    t_fine = 8 * u * T2 + u**2 * T3
    v1 = t_fine / 2 - 64_000
    v2 = (v1**2 * P6 / 32_768 + 2 * v1 * P5) / 4 + 65_536 * P4
    v1 = (P3 * v1**2 / 524_288 + P2 * v1) / 524_288
    v1 = (1 + v1 / 32_768) * P1
    a, b, c = P9 / 2**35, 1 + P8 / 2**19, P7 / 16 - _within(pressure_pa, PRESSURE_RANGE_PA)
    p = (-b + math.sqrt(b**2 - 4 * a * c)) / (2 * a)
    raw_pressure = round(1_048_576 - (p * v1 / 6250 + v2 / 4096))
    return raw_temperature, raw_pressure


class BMP280:
    """Measures only in normal mode. After power-on and reset it sleeps, and its data read 80 00 00."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._felt: Conditions | None = None
        self._registers = bytearray(256)
        self._measures_from_s = math.inf
        self.power_on()

    def power_on(self) -> None:
        """Set the registers as after power-on: the chip sleeps, and has its calibration."""
        self._registers = bytearray(256)
        self._registers[CALIBRATION : CALIBRATION + len(CALIBRATION_BYTES)] = CALIBRATION_BYTES
        self._registers[ID] = CHIP_ID
        self._store(NOT_MEASURED, NOT_MEASURED)
        self._felt, self._measures_from_s = None, math.inf

    def _store(self, raw_temperature: int, raw_pressure: int) -> None:
        self._registers[DATA : DATA + 6] = (raw_pressure << 4).to_bytes(3, "big") + (raw_temperature << 4).to_bytes(
            3, "big"
        )

    def _convert(self) -> None:
        conditions = self._surroundings.conditions
        if conditions is not self._felt and self._surroundings.now_s >= self._measures_from_s:
            oversampling = self._registers[CONTROL]
            temperature, pressure = raw_values(conditions.temperature_c, conditions.pressure_pa)
            self._store(
                temperature if oversampling >> 5 else NOT_MEASURED, pressure if oversampling >> 2 & 7 else NOT_MEASURED
            )
            self._felt = conditions

    def read(self, register: int) -> int:
        """The byte of a register; data registers have the last finished conversion."""
        if register >= DATA:
            self._convert()
        return self._registers[register]

    def read_block(self, register: int, length: int) -> list[int]:
        """The bytes of several registers."""
        return [self.read(register + offset) for offset in range(length)]

    def write(self, register: int, value: int) -> None:
        """Write a register. Only control, configuration and reset can be written."""
        if register == RESET and value == 0xB6:
            self.power_on()
        elif register == CONTROL:
            self._registers[CONTROL] = value
            normal_mode = value & 3 == 3
            self._measures_from_s = self._surroundings.now_s + CONVERSION_S if normal_mode else math.inf
        elif register == CONFIG:
            self._registers[CONFIG] = value
