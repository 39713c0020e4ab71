"""The plot of a run, as SVG: rates, CPU and latency. The same measurements give the same file."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from bench.figures import Spread
from bench.measured import CEILING, HAND_WRITTEN, JOB, TELEGRAF, TITLES, Flow
from bench.report import flow_title
from bench.summary import Drains

mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "sensorpi", "svg.fonttype": "none", "font.size": 9, "axes.axisbelow": True})

from matplotlib import pyplot as plt  # noqa: E402  (the back end is chosen first)

#: Told apart without colour vision, too (Okabe and Ito).
_COLOURS = {JOB: "#0072B2", TELEGRAF: "#E69F00", HAND_WRITTEN: "#009E73", CEILING: "#999999"}


def draw(file: Path, drains: Drains, flows: list[Flow], titles: Mapping[str, str], heading: str) -> None:
    """Write the plot."""
    figure, (rates, cpu, latency) = plt.subplots(3, 1, figsize=(11, 11), layout="constrained")
    figure.suptitle(heading, fontsize=10)
    _bars(
        rates,
        titles,
        [JOB, TELEGRAF, HAND_WRITTEN, CEILING],
        lambda scenario, reader: drains.spread(scenario, reader, "steady_per_s"),
    )
    rates.set_title("steady rate; the thin line is from least to greatest")
    rates.set_ylabel("points/s")
    _bars(
        cpu,
        titles,
        [JOB, TELEGRAF, HAND_WRITTEN],
        lambda scenario, reader: drains.spread(scenario, reader, "cpu_s_per_million_after_start"),
    )
    cpu.set_title("CPU of the reader, after its start")
    cpu.set_ylabel("CPU s per million readings")
    _latency(latency, flows)
    figure.savefig(file, format="svg", metadata={"Date": None})
    plt.close(figure)


def _bars(
    axes: Any, titles: Mapping[str, str], readers: Sequence[str], spread: Callable[[str, str], Spread | None]
) -> None:
    scenarios = [scenario for scenario in titles if any(spread(scenario, reader) for reader in readers)]
    width = 0.8 / len(readers)
    for number, reader in enumerate(readers):
        for place, scenario in enumerate(scenarios):
            found = spread(scenario, reader)
            if found is None:
                continue
            at = place + (number - (len(readers) - 1) / 2) * width
            error = [[found.median - found.least], [found.greatest - found.median]]
            axes.bar(at, found.median, width * 0.95, color=_COLOURS[reader], yerr=error, error_kw={"linewidth": 1})
        axes.bar(0, 0, color=_COLOURS[reader], label=TITLES[reader])  # for the legend
    axes.set_xticks(range(len(scenarios)), [titles[scenario].replace(", ", "\n") for scenario in scenarios])
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.grid(axis="y", linewidth=0.4)
    _legend(axes)


def _latency(axes: Any, flows: list[Flow]) -> None:
    lines: dict[str, list[Flow]] = {}
    for flow in flows:
        lines.setdefault(flow_title(flow), []).append(flow)
    for title, points in lines.items():
        measured = [flow for flow in points if flow.p50_ms is not None and flow.p99_ms is not None]
        rates = [flow.rate_hz for flow in measured]
        [line] = axes.plot(rates, [flow.p50_ms for flow in measured], "o-", label=f"{title}: p50")
        axes.plot(rates, [flow.p99_ms for flow in measured], "s--", color=line.get_color(), label=f"{title}: p99")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylim(bottom=0)
    axes.set_title("from the reading to the point that a query returns")
    axes.set_xlabel("readings/s")
    axes.set_ylabel("ms")
    axes.grid(linewidth=0.4)
    if lines:
        _legend(axes)


def _legend(axes: Any) -> None:
    """Beside the plot, where it hides nothing."""
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
