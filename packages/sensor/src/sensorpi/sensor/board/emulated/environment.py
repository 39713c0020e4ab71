"""What the emulated chips feel: conditions, moment by moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Conditions:
    """The physical state around the board; what a chip cannot represent it rounds or saturates.

    The four light values are raw counts of the TCS3472's channels at the library's integration time.
    """

    temperature_c: float = 20.0
    pressure_pa: float = 101_325.0
    heading_deg: float = 0.0
    clear: float = 0.0
    red: float = 0.0
    green: float = 0.0
    blue: float = 0.0
    acceleration_g: tuple[float, float, float] = (0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading to be taken.

    ``due_s`` is when, in seconds of real time after the first one, and ``environment_s`` the same instant
    in the environment's own time. A recording also says which sensor, host and fields its row has (None:
    the publisher's own, and all), and the timestamp: either ``timestamp_ms`` itself, UTC, or
    ``after_first_ms``, its distance from the first reading's. With neither it is the time of the reading.
    """

    due_s: float
    environment_s: float
    conditions: Conditions | None = None
    sensor: str | None = None
    host: str | None = None
    timestamp_ms: int | None = None
    after_first_ms: int | None = None
    fields: frozenset[str] | None = None


class Environment(Protocol):
    """A source of moments, first to last; endless when it is synthetic."""

    #: Whether it can wait while Kafka is away, as a recording can and the weather cannot.
    can_wait: bool

    def moments(self) -> Iterator[Moment]:
        """The moments in the order in which they are to be read."""
