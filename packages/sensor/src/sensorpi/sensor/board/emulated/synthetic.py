"""Synthetic environments: a day's weather, light and movement from random numbers; or none, for a real board."""

import math
import random
from collections.abc import Iterator

from sensorpi.sensor.board.emulated.environment import Conditions, Moment

DAY_S = 86_400.0


class Beat:
    """A steady rate without conditions, for a real board."""

    can_wait = False
    count = None

    def __init__(self, readings_per_second: float) -> None:
        self._rate = readings_per_second

    def moments(self) -> Iterator[Moment]:
        """One moment every 1/rate seconds, without end."""
        number = 0
        while True:
            at_s = number / self._rate
            yield Moment(due_s=at_s, environment_s=at_s)
            number += 1


class SyntheticDay:
    """Weather, daylight and a slowly turning, slightly shaken board. The same random seed gives the same day."""

    can_wait = False
    count = None

    def __init__(self, readings_per_second: float, seed: int, first_s: float) -> None:
        """``first_s`` is the time of the first moment in seconds since midnight."""
        self._rate, self._first_s = readings_per_second, first_s
        numbers = random.Random(seed)
        self._phases = [numbers.uniform(0.0, 2 * math.pi) for _ in range(6)]
        self._shake = numbers

    def moments(self) -> Iterator[Moment]:
        """One moment every 1/rate seconds, without end."""
        for moment in Beat(self._rate).moments():
            conditions = self.conditions(self._first_s + moment.environment_s)
            yield Moment(due_s=moment.due_s, environment_s=moment.environment_s, conditions=conditions)

    def conditions(self, at_s: float) -> Conditions:
        """The conditions ``at_s`` seconds after midnight. The shaking differs from call to call."""
        wave = [
            math.sin(at_s / period_s + phase)
            for period_s, phase in zip((97.0, 613.0, 1709.0, 37.0, 241.0, 5003.0), self._phases, strict=True)
        ]
        day = math.cos(2 * math.pi * (at_s / DAY_S - 14 / 24))  # warmest at 14:00
        sun = max(0.0, math.sin(math.pi * (at_s % DAY_S / DAY_S - 0.25) * 2))  # up from 06:00 to 18:00
        clear = 120.0 + 900.0 * (1 + 0.3 * wave[0]) + 18_000.0 * sun * (1 + 0.15 * wave[1])
        warmth = 0.03 * wave[2]
        shake = self._shake.gauss
        pitch, roll = math.radians(4 * wave[3] + 3 * wave[4]), math.radians(5 * wave[4] - 2 * wave[3])
        return Conditions(
            temperature_c=21.0 + 4.0 * day + 0.6 * wave[1] + shake(0, 0.01),
            pressure_pa=101_300.0 + 450.0 * wave[5] + 40.0 * wave[2] + shake(0, 0.8),
            heading_deg=(180.0 + 60.0 * wave[2] + 15.0 * wave[0]) % 360,
            clear=clear,
            red=clear * (0.38 + warmth),
            green=clear * 0.34,
            blue=clear * (0.27 - warmth),
            acceleration_g=(
                -math.sin(pitch) + shake(0, 0.004),
                math.sin(roll) * math.cos(pitch) + shake(0, 0.004),
                math.cos(roll) * math.cos(pitch) + shake(0, 0.004),
            ),
        )
