"""Turns a panel's query into InfluxQL by filling in Grafana's macros and variables.

Nothing that a browser sends becomes part of a query, except for parsed numbers and for a host that InfluxDB itself
named.
"""

import re
from collections.abc import Collection

from sensorpi.pipeline.dashboard.range import TimeRange

#: Stands for all hosts.
ALL_HOSTS = ""

_MACRO = re.compile(r"\$timeFilter\b|\$__interval_ms\b|\$__interval\b|\$\{host:regex\}|\$\{resolution\}")
_FILL = re.compile(r"\s+fill\(\w+\)\s*$")
_REGEX_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$/]")


class UnknownHostError(ValueError):
    """InfluxDB does not know this host."""


def host_regex(host: str, known_hosts: Collection[str]) -> str:
    """A pattern, for use between slashes and anchors, that matches only ``host``. Raises UnknownHostError.

    ``ALL_HOSTS`` matches every host.
    """
    if host == ALL_HOSTS:
        return ".*"
    if host not in known_hosts or not host.isprintable():
        raise UnknownHostError(f"the database has no host “{host[:80]}”")
    return _REGEX_SPECIAL.sub(r"\\\g<0>", host)


def fill_in(query: str, time_range: TimeRange, interval_ms: int, host_pattern: str, resolution: str) -> str:
    """The InfluxQL of ``query`` for these values.

    Empty intervals are left out instead of being filled with nulls: the points themselves tell where a line breaks.
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
    """Whether the query counts: then its value for an interval that is cut off is too small."""
    return "$__interval_ms" in query or "sum(" in query


def has_resolution(query: str) -> bool:
    """Whether the query works for the one-minute means, too."""
    return "${resolution}" in query


def newest_only(influxql: str) -> str:
    """The same statement, limited to the newest value of each series."""
    return f"{influxql} ORDER BY time DESC LIMIT 1"
