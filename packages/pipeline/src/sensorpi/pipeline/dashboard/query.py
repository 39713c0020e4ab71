"""From a panel's query to InfluxQL: Grafana's macros and variables filled in.

Nothing that a browser sends becomes part of a query, but for numbers that were parsed and for a host
that InfluxDB itself named.
"""

import re
from collections.abc import Collection

from sensorpi.pipeline.dashboard.range import TimeRange

#: The choice that means every host.
ALL_HOSTS = ""

_MACRO = re.compile(r"\$timeFilter\b|\$__interval_ms\b|\$__interval\b|\$\{host:regex\}|\$\{resolution\}")
_FILL = re.compile(r"\s+fill\(\w+\)\s*$")
_REGEX_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$/]")


class UnknownHostError(ValueError):
    """The host is none that InfluxDB knows."""


def host_regex(host: str, known_hosts: Collection[str]) -> str:
    """A pattern, to stand between slashes and anchors, that matches ``host`` only. Raises UnknownHostError.

    ``ALL_HOSTS`` matches every host.
    """
    if host == ALL_HOSTS:
        return ".*"
    if host not in known_hosts or not host.isprintable():
        raise UnknownHostError(f"no host “{host[:80]}” is in the database")
    return _REGEX_SPECIAL.sub(r"\\\g<0>", host)


def fill_in(query: str, time_range: TimeRange, interval_ms: int, host_pattern: str, resolution: str) -> str:
    """The InfluxQL that ``query`` is for these values.

    Empty intervals are left out instead of filled with nulls: where a line breaks is decided from the points.
    """
    values = {
        "$timeFilter": f"time >= {time_range.start_ms}ms AND time <= {time_range.end_ms}ms",
        "$__interval_ms": str(interval_ms),
        "$__interval": f"{interval_ms}ms",
        "${host:regex}": host_pattern,
        "${resolution}": resolution,
    }
    return _FILL.sub(" fill(none)", _MACRO.sub(lambda macro: values[macro[0]], query))


def grows_with_interval(query: str) -> bool:
    """Whether the query counts: over an interval that is cut off it shows too little."""
    return "$__interval_ms" in query or "sum(" in query


def has_resolution(query: str) -> bool:
    """Whether the query can be asked of the one-minute means as well."""
    return "${resolution}" in query


def newest_only(influxql: str) -> str:
    """The same statement, for each series' newest value only."""
    return f"{influxql} ORDER BY time DESC LIMIT 1"
