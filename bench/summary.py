"""What a run's measurements come to: medians with their spread, ratios to Telegraf, the JSON of `--json`."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from bench.figures import Spread, spread
from bench.measured import JOB, TELEGRAF, Drain, Flow

#: The two corners: one partition and one core, four partitions and two cores, with 8 sensors each.
SMALL, LARGE = "1p_1c", "4p_2c"

#: The figures of a drain.
FIGURES = tuple(field.name for field in fields(Drain) if field.name not in ("scenario", "reader"))


@dataclass(frozen=True)
class Drains:
    """All drains of a run."""

    drains: list[Drain]

    def spread(self, scenario: str, reader: str, figure: str) -> Spread | None:
        """Of one figure over the repeats; None where it was not measured."""
        return spread(
            [getattr(each, figure) for each in self.drains if (each.scenario, each.reader) == (scenario, reader)]
        )

    def median(self, scenario: str, reader: str, figure: str) -> float | None:
        """As ``spread``."""
        found = self.spread(scenario, reader, figure)
        return None if found is None else found.median

    def ratio(self, scenario: str, figure: str, reader: str = JOB) -> float | None:
        """The reader's median divided by Telegraf's."""
        ours, theirs = (self.median(scenario, each, figure) for each in (reader, TELEGRAF))
        return None if ours is None or not theirs else ours / theirs

    def worse_corner(self, figure: str) -> float | None:
        """The greater of the job's medians in the two corners."""
        medians = [self.median(corner, JOB, figure) for corner in (SMALL, LARGE)]
        return max((median for median in medians if median is not None), default=None)


def job_at(flows: list[Flow], rate_hz: float) -> Flow | None:
    """The job at that rate with the trigger of `make run`, which comes first."""
    return next((flow for flow in flows if flow.reader == JOB and flow.rate_hz == rate_hz), None)


def summary(drains: Drains, flows: list[Flow]) -> dict[str, Any]:
    """The run's key figures; null where something was not measured.

    The ratio of CPU is that after the start, at four partitions and two cores; start and memory are those of the
    job's worse corner; the latency is the job's at one reading a second.
    """
    slow = job_at(flows, 1.0)
    return _rounded(
        {
            "ratio_to_telegraf": {
                "steady_4p_2c": drains.ratio(LARGE, "steady_per_s"),
                "steady_1p_1c": drains.ratio(SMALL, "steady_per_s"),
                "cpu_per_million": drains.ratio(LARGE, "cpu_s_per_million_after_start"),
                "cpu_per_million_with_start": drains.ratio(LARGE, "cpu_s_per_million"),
            },
            "first_point_s": drains.worse_corner("first_point_s"),
            "first_point_cpu_s": drains.worse_corner("first_point_cpu_s"),
            "idle_core_share": None if slow is None else slow.reader_core_share,
            "latency_ms": {"p50": slow and slow.p50_ms, "p99": slow and slow.p99_ms},
            "pss_mb": drains.worse_corner("pss_mb"),
        }
    )


def measurements(drains: Drains, flows: list[Flow]) -> dict[str, Any]:
    """All that was measured, drain by drain and rate by rate."""
    return _rounded(
        {
            "drains": [asdict(each) for each in drains.drains],
            "flows": [asdict(each) | {"reader_core_share": each.reader_core_share} for each in flows],
        }
    )


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _round(each) for name, each in values.items()}


def _round(value: Any) -> Any:
    """The same with four significant digits or none after the point, which is more than a run can repeat."""
    if isinstance(value, dict):
        return _rounded(value)
    if isinstance(value, list):
        return [_round(each) for each in value]
    if isinstance(value, float):
        return round(value) if abs(value) >= 1000 else float(f"{value:.4g}")
    return value
