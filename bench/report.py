"""The tables of a run, in Markdown."""

from collections.abc import Mapping
from typing import Any

from bench.figures import Spread
from bench.measured import TELEGRAF, TITLES, Flow
from bench.summary import Drains

#: A sender that was later than this did not keep the rate.
_LATE_MS = 500

_DRAIN_COLUMNS = (
    ("steady, points/s", "steady_per_s"),
    ("from launch, points/s", "from_launch_per_s"),
    ("CPU s per million", "cpu_s_per_million"),
    ("after the start", "cpu_s_per_million_after_start"),
    ("PSS, MB", "pss_mb"),
    ("first point, s", "first_point_s"),
    ("CPU s until then", "first_point_cpu_s"),
)


def heading(date: str, command: str, machine: Mapping[str, Any], versions: Mapping[str, Any], work: str) -> str:
    """Where, when and with what it was measured."""
    parts = ", ".join(f"{name} {version}" for name, version in versions.items() if version and name != "commit")
    load = " ".join(f"{load:g}" for load in machine["load"])
    where = f"{machine['cores']} cores, {machine['model']}, {machine['memory_mb']} MB, Linux {machine['kernel']}"
    return (
        f"## {date}, `{command}`, commit {versions['commit']}\n\n"
        f"{work}\n\n"
        f"{where}; load before the run {load}. {parts}.\n"
    )


def drain_table(drains: Drains, titles: Mapping[str, str]) -> str:
    """A row for each reader of each scenario: the median, and the least and greatest of the repeats."""
    heads = ["", "reader", "× Telegraf", *(title for title, _ in _DRAIN_COLUMNS)]
    rows = []
    for scenario, title in titles.items():
        for reader in TITLES:
            if drains.spread(scenario, reader, "steady_per_s") is None:
                continue
            ratio = None if reader == TELEGRAF else drains.ratio(scenario, "steady_per_s", reader)
            figures = [_spread(drains.spread(scenario, reader, figure)) for _, figure in _DRAIN_COLUMNS]
            rows.append([title, TITLES[reader], "–" if ratio is None else f"{ratio:.2f}", *figures])
            title = ""
    return table(heads, rows, left=2)


def flow_table(flows: list[Flow]) -> str:
    """A row for each reader and rate."""
    heads = ["reader", "readings/s", "p50, ms", "p99, ms", "probes", "reader's CPU, % of a core", "by process"]
    rows = [
        [
            flow_title(flow),
            f"{flow.rate_hz:,.0f}",
            _number(flow.p50_ms),
            _number(flow.p99_ms),
            f"{flow.probes}" + _trouble(flow),
            f"{flow.reader_core_share:.1%}".removesuffix("%"),
            "; ".join(f"{name} {share:.1%}" for name, share in flow.core_share.items() if share >= 0.0005),
        ]
        for flow in flows
    ]
    return table(heads, rows, left=1)


def _trouble(flow: Flow) -> str:
    """What makes the latencies doubtful."""
    late = flow.sender_behind_ms > _LATE_MS
    found = [f"{flow.missing} missing"] * bool(flow.missing) + [f"sent {_number(flow.sender_behind_ms)} ms late"] * late
    return f" ({', '.join(found)})" if found else ""


def flow_title(flow: Flow) -> str:
    """The reader, and what decides about its latency."""
    return TITLES[flow.reader] + (
        ", flush_interval 1 s" if flow.trigger_ms is None else f", trigger {flow.trigger_ms} ms"
    )


def table(heads: list[str], rows: list[list[str]], left: int) -> str:
    """A Markdown table; all but the first ``left`` columns are aligned to the right."""
    marks = ["---" if number < left else "---:" for number in range(len(heads))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, marks, *rows)) + "\n"


def _spread(value: Spread | None) -> str:
    if value is None:
        return "–"
    middle = _number(value.median)
    return middle if value.least == value.greatest else f"{middle} ({_number(value.least)}–{_number(value.greatest)})"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    if value >= 1000:
        return f"{round(value, -2):,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
