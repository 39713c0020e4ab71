"""What the nemesis does and when: a pure function of the seed."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

SENSORS = ("sensor01", "sensor02", "sensor03")
SERVERS = ("kafka", "spark", "influxdb")
PARTS = (*SENSORS, *SERVERS)

#: At most one of these is on a part at once. A sensor that is killed while its disk cannot be written to loses what is
#: in its memory: nothing could prevent that.
_ALONE = frozenset({"kill", "torn_state", "full_disk", "read_only_disk"})

#: The quiet time after a fault, in seconds: about what the part needs to recover.
_QUIET_S = {"kafka": 24.0, "influxdb": 18.0, "spark": 18.0}
_QUIET_SENSOR_S = 12.0
_QUIET_SPARK_STARTS_S = 34.0
#: From the end of the start until the first fault.
FIRST_S = 5.0
#: How many of a deck's cards are played together with the next one.
_PAIRS_IN_A_DECK = 3


@dataclass(frozen=True)
class Fault:
    """One fault. ``start_s`` counts from the beginning of the schedule; a ``duration_s`` of 0 is over at once."""

    number: int
    start_s: float
    duration_s: float
    kind: str
    target: str
    variant: str = ""

    @property
    def end_s(self) -> float:
        """When it ends, in seconds since the beginning of the schedule."""
        return self.start_s + self.duration_s

    def __str__(self) -> str:
        variant = f" ({self.variant})" if self.variant else ""
        lasts = f" for {self.duration_s:.1f} s" if self.duration_s else ""
        return f"{self.kind} {self.target}{variant}{lasts}"


@dataclass(frozen=True)
class _Kind:
    targets: Sequence[str]
    shortest_s: float = 0.0
    longest_s: float = 0.0
    variants: Sequence[str] = ("",)


_ALL = (*SENSORS, *SERVERS, *SERVERS)  # servers fail more often than each sensor
_KINDS = {
    "kill": _Kind(_ALL),
    "freeze": _Kind(_ALL, 2.0, 14.0),
    "cut": _Kind(_ALL, 3.0, 15.0),
    "slow": _Kind(_ALL, 4.0, 12.0),
    "clock": _Kind(SENSORS, 3.0, 12.0, ("+365d", "+2h", "+90s", "-10m", "-1d")),
    "full_disk": _Kind(_ALL, 3.0, 12.0, ("full", "nearly full")),
    "read_only_disk": _Kind(_ALL, 3.0, 10.0),
    "i2c": _Kind(SENSORS, 3.0, 10.0, ("no chip answers", "one chip fails", "flaky", "brown-out", "torn bytes")),
    "hostile": _Kind(("kafka",)),
    "torn_state": _Kind((*SENSORS, "spark", "spark")),
}
#: Each is played once before all of them are shuffled again.
_DECK = (*_KINDS, "kill", "cut")
_VARIANTS_OF_A_KILL = {"spark": ("all", "JVM", "Python worker"), "kafka": ("all", "JVM")}

KINDS = tuple(_KINDS)


def schedule(seed: int, minutes: float) -> list[Fault]:
    """The faults that start and end within so many minutes. A longer schedule begins with the shorter one's faults."""
    faults: list[Fault] = []
    for together in _endless(random.Random(seed)):
        if max(fault.end_s for fault in together) > minutes * 60:
            return faults
        faults += [replace(fault, number=len(faults) + place) for place, fault in enumerate(together, start=1)]
    raise AssertionError  # the iterator does not end


def _endless(numbers: random.Random) -> Iterator[list[Fault]]:
    """Single faults and pairs, each after the quiet time of the one before."""
    now_s = FIRST_S
    while True:
        deck = list(_DECK)
        numbers.shuffle(deck)
        pairs = set(numbers.sample(range(0, len(deck) - 1, 2), _PAIRS_IN_A_DECK))
        place = 0
        while place < len(deck):
            together = [_fault(numbers, deck[place], now_s)]
            if place in pairs:
                together.append(_second(numbers, deck[place + 1], together[0]))
            place += len(together)
            yield together
            now_s = max(fault.end_s for fault in together)
            now_s += max(_quiet_s(fault) for fault in together) * numbers.uniform(0.8, 1.2)


def _fault(numbers: random.Random, kind: str, start_s: float) -> Fault:
    has = _KINDS[kind]
    target = numbers.choice(has.targets)
    variants = _VARIANTS_OF_A_KILL.get(target, has.variants) if kind == "kill" else has.variants
    duration_s = round(numbers.uniform(has.shortest_s, has.longest_s), 1)
    return Fault(0, round(start_s, 1), duration_s, kind, target, numbers.choice(variants))


def _second(numbers: random.Random, kind: str, first: Fault) -> Fault:
    """One that begins up to two seconds after the first; what cannot be on one part at once is on two."""
    start_s = first.start_s + numbers.uniform(0.0, min(2.0, first.duration_s))
    while True:
        second = _fault(numbers, kind, start_s)
        if second.target != first.target or may_share_a_part(first.kind, second.kind):
            return second


def may_share_a_part(one: str, other: str) -> bool:
    """Whether both kinds can be on the same part at once."""
    return one != other and not {one, other} <= _ALONE


def _quiet_s(fault: Fault) -> float:
    if fault.target == "spark" and fault.kind in _ALONE:
        return _QUIET_SPARK_STARTS_S
    return _QUIET_SENSOR_S if fault.kind == "hostile" else _QUIET_S.get(fault.target, _QUIET_SENSOR_S)
