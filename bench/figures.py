"""Figures from samples: the slope of a count, percentiles, the median with its spread."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

#: The part of a drain over which the steady rate is taken.
STEADY_FROM, STEADY_TO = 0.2, 0.9


@dataclass(frozen=True)
class Spread:
    """The median of repeated measurements, with the least and the greatest."""

    median: float
    least: float
    greatest: float


def spread(values: Sequence[float | None]) -> Spread | None:
    """Of the values that were measured; None if none was."""
    measured = [value for value in values if value is not None]
    return Spread(statistics.median(measured), min(measured), max(measured)) if measured else None


def reached_s(samples: Sequence[tuple[float, int]], count: float) -> float:
    """When a growing count reached ``count``: interpolated between the samples (seconds, count) around it.

    Raises ValueError when it did not.
    """
    before_s, before = samples[0]
    for at_s, counted in samples:
        if counted >= count:
            return at_s if counted == before else before_s + (at_s - before_s) * (count - before) / (counted - before)
        before_s, before = at_s, counted
    raise ValueError(f"the count ended at {before} of {count}")


def steady_per_s(samples: Sequence[tuple[float, int]], total: int) -> float:
    """The rate between a fifth and nine tenths of ``total``, from samples (seconds, count)."""
    first_s, last_s = (reached_s(samples, total * part) for part in (STEADY_FROM, STEADY_TO))
    return total * (STEADY_TO - STEADY_FROM) / (last_s - first_s)


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The nearest-rank percentile; None without values."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None
