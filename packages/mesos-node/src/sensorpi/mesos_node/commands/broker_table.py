"""The brokers as a table for people."""

from collections.abc import Sequence

from sensorpi.mesos_node.engines.engine import BrokerState

_HEAD = ("ID", "STATE", "HOST", "PORT", "CPUS", "MEM", "HEAP", "")


def table(brokers: Sequence[BrokerState]) -> str:
    """A heading, and a line for each broker, which ends with remarks where there are any."""
    rows = [_HEAD, *(_row(each) for each in brokers)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD) - 1)]
    lines = (
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _row(broker: BrokerState) -> tuple[str, ...]:
    task = broker.task
    host = task.host if task else broker.details.data_host if broker.details else None
    needs_restart = task is not None and task.details is not None and task.details.restart_needed
    remarks = [
        "controller" if broker.controller else "",
        "restart needed" if needs_restart else "",
        broker.message,
    ]
    return (
        str(broker.id),
        broker.state,
        host or "-",
        str(task.ports[0]) if task and task.ports else "-",
        "-" if broker.cpus is None else f"{broker.cpus:g}",
        "-" if broker.mem_mb is None else f"{broker.mem_mb:g}",
        "-" if broker.heap_mb is None else str(broker.heap_mb),
        "; ".join(each for each in remarks if each),
    )
