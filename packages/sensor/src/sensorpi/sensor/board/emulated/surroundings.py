"""What the emulated chips share: the environment's clock and the conditions that they feel."""

from sensorpi.sensor.board.emulated.environment import Conditions


class Surroundings:
    """The environment's time in seconds, which only moves when it is told to, and the conditions now."""

    def __init__(self, conditions: Conditions | None = None) -> None:
        self.now_s = 0.0
        self.conditions = conditions or Conditions()
