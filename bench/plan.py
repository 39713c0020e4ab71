"""What a run measures: a full one within an hour, a quick one within five minutes."""

from dataclasses import dataclass, replace

from bench.measured import CEILING, HAND_WRITTEN, JOB, TELEGRAF
from bench.summary import LARGE, SMALL

_ALL = (JOB, TELEGRAF, HAND_WRITTEN, CEILING)


@dataclass(frozen=True)
class Scenario:
    """A topic to drain, with the cores of the readers, and how often each reader drains it."""

    name: str
    partitions: int
    cores: int
    sensors: int
    repeats: int
    readers: tuple[str, ...] = _ALL

    @property
    def title(self) -> str:
        """For people."""
        partitions = f"{self.partitions} partition{'s'[: self.partitions > 1]}"
        cores = f"{self.cores} core{'s'[: self.cores > 1]}"
        return f"{partitions}, {cores}, {self.sensors:,} sensors"


@dataclass(frozen=True)
class Plan:
    """All of a run. ``rates`` are readings a second with seconds; the CPU is measured at the first of them."""

    readings: int
    scenarios: tuple[Scenario, ...]
    job_rates: tuple[tuple[float, float], ...]
    telegraf_rates: tuple[tuple[float, float], ...]
    #: The job with the trigger of the packages instead of `make run`'s.
    usual_trigger_rates: tuple[tuple[float, float], ...] = ()

    def shortened(self, readings: int | None, repeats: int | None) -> "Plan":
        """With other numbers of readings and repeats."""
        scenarios = [scenario if repeats is None else replace(scenario, repeats=repeats) for scenario in self.scenarios]
        return replace(self, readings=readings or self.readings, scenarios=tuple(scenarios))


FULL = Plan(
    readings=1_000_000,
    scenarios=(
        Scenario(SMALL, partitions=1, cores=1, sensors=8, repeats=3),
        Scenario(LARGE, partitions=4, cores=2, sensors=8, repeats=3),
        Scenario("12p_2c", partitions=12, cores=2, sensors=8, repeats=1),
        Scenario("4p_2c_1000s", partitions=4, cores=2, sensors=1_000, repeats=1),
        Scenario("4p_2c_10000s", partitions=4, cores=2, sensors=10_000, repeats=1),
    ),
    job_rates=((1.0, 600.0), (10.0, 30.0), (1_000.0, 30.0), (10_000.0, 30.0)),
    telegraf_rates=((1.0, 120.0), (10.0, 30.0), (1_000.0, 30.0), (10_000.0, 30.0)),
    usual_trigger_rates=((1.0, 120.0),),
)

QUICK = Plan(
    readings=200_000,
    scenarios=(
        Scenario(SMALL, partitions=1, cores=1, sensors=8, repeats=1, readers=(JOB, TELEGRAF)),
        Scenario(LARGE, partitions=4, cores=2, sensors=8, repeats=1),
    ),
    job_rates=((1.0, 60.0), (1_000.0, 8.0)),
    telegraf_rates=((1.0, 10.0), (1_000.0, 8.0)),
)
