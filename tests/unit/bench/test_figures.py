"""Figures from samples."""

import pytest

from bench.figures import Spread, percentile, reached_s, spread, steady_per_s

#: A slow start, 100 a second from 10 s on, and a slow end.
SAMPLES = [(0.0, 0), (10.0, 100), (11.0, 200), (13.0, 400), (18.0, 900), (60.0, 1000)]


@pytest.mark.parametrize(("count", "at_s"), [(100, 10.0), (150, 10.5), (300, 12.0), (1000, 60.0)])
def test_the_time_of_a_count_is_interpolated(count: float, at_s: float) -> None:
    assert reached_s(SAMPLES, count) == pytest.approx(at_s)


def test_a_count_that_was_not_reached_is_an_error() -> None:
    with pytest.raises(ValueError, match="ended at 1000 of 1001"):
        reached_s(SAMPLES, 1001)


def test_the_steady_rate_leaves_out_start_and_end() -> None:
    assert steady_per_s(SAMPLES, 1000) == pytest.approx(100.0)


def test_a_count_that_jumps_over_both_marks_has_a_rate() -> None:
    assert steady_per_s([(0.0, 0), (1.0, 0), (2.0, 1000)], 1000) == pytest.approx(1000.0)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 50, None), ([3.0], 99, 3.0), ([4.0, 1.0, 3.0, 2.0], 50, 2.0), ([float(n) for n in range(1, 101)], 99, 99.0)],
)
def test_percentiles_are_values_that_were_measured(values: list[float], percent: int, expected: float | None) -> None:
    assert percentile(values, percent) == expected


def test_a_spread_is_of_what_was_measured() -> None:
    assert spread([3.0, None, 1.0, 8.0]) == Spread(3.0, 1.0, 8.0)
    assert spread([None]) is None
    assert spread([]) is None
