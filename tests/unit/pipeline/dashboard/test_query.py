"""How a panel's query becomes InfluxQL, and what cannot get into it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.pipeline.dashboard.query import UnknownHostError, fill_in, host_regex, newest_only
from sensorpi.pipeline.dashboard.range import TimeRange

QUERY = (
    'SELECT mean("temperature") FROM "sensordata"."${resolution}"."sensor" '
    'WHERE "host" =~ /^${host:regex}$/ AND $timeFilter GROUP BY time($__interval), "host" fill(null)'
)


def test_every_macro_is_filled_in() -> None:
    assert fill_in(QUERY, TimeRange(1000, 2000), 500, "worker01", "raw") == (
        'SELECT mean("temperature") FROM "sensordata"."raw"."sensor" '
        'WHERE "host" =~ /^worker01$/ AND time >= 1000ms AND time <= 2000ms GROUP BY time(500ms), "host" fill(none)'
    )


def test_the_interval_in_milliseconds_is_a_number_of_its_own() -> None:
    assert fill_in("$__interval_ms $__interval", TimeRange(0, 1), 5, "", "") == "5 5ms"


def test_a_host_that_looks_like_a_macro_is_not_filled_in_again() -> None:
    pattern = host_regex("${resolution}", ["${resolution}"])
    assert r"/^\$\{resolution\}$/" in fill_in(QUERY, TimeRange(0, 1), 1, pattern, "raw")


def test_the_newest_value_is_the_same_query_backwards() -> None:
    assert newest_only("SELECT 1 fill(none)") == "SELECT 1 fill(none) ORDER BY time DESC LIMIT 1"


@pytest.mark.parametrize(
    "host",
    [
        "nobody",
        "a|b",
        ".*",
        "a$/ OR 1=1 --",
        "a'; DROP DATABASE sensordata; --",
        '"',
        "sensor01 ",
        "SENSOR01",
        "sensor01\n",
        "x" * 100_000,
    ],
)
def test_a_host_that_influxdb_does_not_know_is_refused(host: str) -> None:
    with pytest.raises(UnknownHostError) as refusal:
        host_regex(host, ["sensor01", "a"])
    assert len(str(refusal.value)) < 200


def test_a_known_host_with_control_characters_is_refused() -> None:
    with pytest.raises(UnknownHostError):
        host_regex("a\n/", ["a\n/"])


@pytest.mark.parametrize(
    ("host", "pattern"),
    [
        ("10.0.0.99", r"10\.0\.0\.99"),
        ("a/b", r"a\/b"),
        ("a|b", r"a\|b"),
        ("wörker-1", "wörker-1"),
        ("a\\", r"a\\"),
        ("$timeFilter", r"\$timeFilter"),
    ],
)
def test_what_means_something_in_a_pattern_is_escaped(host: str, pattern: str) -> None:
    assert host_regex(host, [host]) == pattern


@given(st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1))
def test_a_pattern_matches_its_host_and_never_ends_the_literal(host: str) -> None:
    pattern = host_regex(host, [host])
    assert re.fullmatch(pattern, host)
    assert not re.search(r"(?<!\\)(\\\\)*/", pattern)
