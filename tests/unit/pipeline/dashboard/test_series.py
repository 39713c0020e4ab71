"""Where a line breaks, its current value, and its name."""

import pytest

from sensorpi.pipeline.dashboard.series import Point, break_at_gaps, break_at_wraps, reduce, series_name


def every(step_ms: int, *indices: int) -> list[Point]:
    return [(index * step_ms, float(index)) for index in indices]


def test_an_unbroken_series_stays_as_it_is() -> None:
    points = every(1000, 0, 1, 2, 3)
    assert break_at_gaps(points, 1000) == points


def test_missing_data_breaks_the_line_after_the_last_point() -> None:
    points = every(1000, 0, 1, 2, 10, 11)
    assert break_at_gaps(points, 1000) == [*every(1000, 0, 1, 2), (3000, None), *every(1000, 10, 11)]


def test_a_late_point_or_two_breaks_nothing() -> None:
    points = every(1000, 0, 1, 4, 5, 6)
    assert break_at_gaps(points, 1000) == points


def test_each_of_several_gaps_breaks_the_line() -> None:
    broken = break_at_gaps(every(1000, 0, 1, 2, 3, 9, 10, 11, 20, 21, 22), 1000)
    assert [time_ms for time_ms, value in broken if value is None] == [4000, 12_000]


def test_a_sensor_slower_than_the_interval_is_one_line() -> None:
    points = every(10_000, 0, 1, 2, 3, 4)
    assert break_at_gaps(points, 1000) == points


def test_a_slow_sensor_s_gap_is_measured_by_its_own_pace() -> None:
    broken = break_at_gaps(every(10_000, 0, 1, 2, 3, 9, 10), 1000)
    assert (40_000, None) in broken


@pytest.mark.parametrize("points", [[], every(1000, 5)])
def test_too_few_points_for_a_gap_are_left_alone(points: list[Point]) -> None:
    assert break_at_gaps(points, 1000) == points


@pytest.mark.parametrize(("before", "after"), [(359.0, 1.0), (1.0, 359.0), (350.0, 40.0), (20.0, 300.0)])
def test_a_heading_that_passes_north_breaks_the_line(before: float, after: float) -> None:
    assert break_at_wraps([(0, before), (1000, after)], 360) == [(0, before), (500, None), (1000, after)]


@pytest.mark.parametrize(("before", "after"), [(10.0, 170.0), (359.0, 200.0), (90.0, 90.0), (0.0, 180.0)])
def test_a_heading_that_turns_the_other_way_does_not(before: float, after: float) -> None:
    points: list[Point] = [(0, before), (1000, after)]
    assert break_at_wraps(points, 360) == points


def test_a_gap_at_north_is_one_break() -> None:
    points: list[Point] = [(0, 359.0), (1000, None), (9000, 1.0)]
    assert break_at_wraps(points, 360) == points


@pytest.mark.parametrize(
    ("calculation", "value"), [("lastNotNull", 2.0), ("sum", 7.0), ("mean", 7 / 3), ("min", 1.0), ("max", 4.0)]
)
def test_the_value_beside_a_line_is_grafana_s_calculation(calculation: str, value: float) -> None:
    assert reduce([(0, 1.0), (1, 4.0), (2, 2.0), (3, None)], calculation) == (2, value)


def test_without_points_there_is_no_value() -> None:
    assert reduce([(0, None)], "sum") is None


@pytest.mark.parametrize(
    ("alias", "name"),
    [("$tag_host", "worker01"), ("red [[tag_host]]", "red worker01"), ("x $tag_other", "x"), ("fixed", "fixed")],
)
def test_an_alias_is_filled_in_with_tags(alias: str, name: str) -> None:
    assert series_name(alias, {"host": "worker01"}) == name
