"""The brokers as a table for people."""

from collections.abc import Sequence
from typing import Any

_HEAD = ("ID", "STATE", "HOST", "PORT", "CPUS", "MEM", "HEAP", "")


def table(brokers: Sequence[dict[str, Any]]) -> str:
    """A line for each broker below a heading; what there is to say about one stands at the end of its line."""
    rows = [_HEAD, *(_row(each) for each in brokers)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD) - 1)]
    lines = (
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _row(broker: dict[str, Any]) -> tuple[str, ...]:
    task = broker.get("task", {})
    notes = [
        "controller" if broker.get("controller") else "",
        "restart needed" if task.get("restart_needed") else "",
        broker.get("message", ""),
    ]
    return (
        str(broker["id"]),
        broker["state"],
        task.get("host") or broker.get("data_host") or "-",
        str(task["ports"][0]) if task.get("ports") else "-",
        f"{broker['cpus']:g}" if "cpus" in broker else "-",
        f"{broker['mem_mb']:g}" if "mem_mb" in broker else "-",
        str(broker.get("heap_mb", "-")),
        "; ".join(each for each in notes if each),
    )
