"""What the emulated chips measure: a series of moments with their conditions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Conditions:
    """The physical conditions around the board. A chip rounds or saturates what it cannot represent.

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

    ``due_s`` is its time in seconds of real time after the first one, ``environment_s`` the same in the environment's
    own time. A recording can also give the sensor, the host and the fields (None: the publisher's own, and all
    fields), ``extra`` values that the board does not measure, and the timestamp: either ``timestamp_ms`` in UTC, or
    ``after_first_ms``, the time after the first reading's. Otherwise the timestamp is the time of the reading.
    """

    due_s: float
    environment_s: float
    conditions: Conditions | None = None
    sensor: str | None = None
    host: str | None = None
    timestamp_ms: int | None = None
    after_first_ms: int | None = None
    fields: frozenset[str] | None = None
    extra: dict[str, float] | None = None


class Environment(Protocol):
    """A source of moments: a recording, or an endless synthetic one."""

    #: Whether it can wait while Kafka is unavailable, as a recording can and the weather cannot.
    can_wait: bool

    @property
    def count(self) -> int | None:
        """The number of moments, if there is an end."""

    def moments(self) -> Iterator[Moment]:
        """The moments in the order in which the readings are taken."""
