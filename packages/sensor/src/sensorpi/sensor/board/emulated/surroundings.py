"""What the emulated chips share: the environment's clock and the conditions that they measure."""

from sensorpi.sensor.board.emulated.environment import Conditions


class Surroundings:
    """The environment's time in seconds, which the board advances, and the present conditions."""

    def __init__(self, conditions: Conditions | None = None) -> None:
        self.now_s = 0.0
        self.conditions = conditions or Conditions()
