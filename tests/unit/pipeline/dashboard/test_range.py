"""Time ranges of the dashboard: how they are written, and how fine a curve is drawn over one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.pipeline.dashboard.range import RangeError, TimeRange, interval_ms, parse_range, parse_time_ms

NOW_MS = 1_700_000_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("now", NOW_MS),
        ("now-5m", NOW_MS - 5 * MINUTE),
        ("now-90s", NOW_MS - 90_000),
        ("now-24h", NOW_MS - DAY),
        ("now-2y", NOW_MS - 2 * 365 * DAY),
        ("1624000000123", 1_624_000_000_123),
        ("-1000", -1000),
        ("2021-06-18T07:06:40Z", 1_624_000_000_000),
        ("2021-06-18T07:06:40", 1_624_000_000_000),
        ("2021-06-18T09:06:40.5+02:00", 1_624_000_000_500),
        ("2021-06-18", 1_623_974_400_000),
    ],
)
def test_times_are_read_in_each_notation(text: str, time_ms: int) -> None:
    assert parse_time_ms(text, NOW_MS) == time_ms


@pytest.mark.parametrize(
    "text", ["", "yesterday", "now+5m", "now-", "now-5", "now-5x", "now-5m OR 1=1", "1e9", "12345678901234567890", "٣"]
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(RangeError, match="is no"):
        parse_time_ms(text, NOW_MS)


@pytest.mark.parametrize(
    ("start", "end"), [("now", "now"), ("now", "now-5m"), ("2000", "1000"), ("now-60y", "now"), ("0", "9999999999999")]
)
def test_a_range_that_is_empty_or_absurdly_long_is_refused(start: str, end: str) -> None:
    with pytest.raises(RangeError, match="is not a range"):
        parse_range(start, end, NOW_MS)


@pytest.mark.parametrize(
    ("start", "end"), [("1600-01-01", "1601-01-01"), ("1677-09-22", "1678-01-01"), ("2261-12-31", "2262-01-01")]
)
def test_a_range_influxdb_has_no_times_for_is_refused(start: str, end: str) -> None:
    with pytest.raises(RangeError, match="outside of the years 1679 to 2260"):
        parse_range(start, end, NOW_MS)


@pytest.mark.parametrize(
    ("length_ms", "width_px", "expected_ms"),
    [
        (5 * MINUTE, 600, 1000),
        (15 * MINUTE, 600, 3000),
        (HOUR, 600, 15_000),
        (DAY, 600, 5 * MINUTE),
        (2 * 365 * DAY, 600, 3 * DAY),
        (10_000, 600, 1000),
    ],
)
def test_a_curve_has_about_a_point_every_two_pixels(length_ms: int, width_px: int, expected_ms: int) -> None:
    assert interval_ms(TimeRange(NOW_MS - length_ms, NOW_MS), width_px, min_interval_ms=1000) == expected_ms


@given(st.integers(1, 50 * 365 * DAY), st.integers(0, 999_999), st.sampled_from([1000, 10_000]))
def test_no_curve_has_more_points_than_fit(length_ms: int, width_px: int, least_ms: int) -> None:
    step_ms = interval_ms(TimeRange(0, length_ms), width_px, least_ms)
    assert step_ms >= least_ms
    assert length_ms / step_ms <= 2000
