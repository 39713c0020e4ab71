"""What was understood of a recording, as lines for a person."""

from itertools import pairwise
from statistics import median

from sensorpi.common.reading import FIELD_UNITS
from sensorpi.sensor.recordings.rows import CsvRows
from sensorpi.sensor.recordings.table import Table, show_time

#: A distance of that many times the usual one is a gap.
GAP = 3
_MOST_GAPS = 5


def report(table: Table, rows: object) -> list[str]:
    """Count, span, first and last row as readings, gaps, and columns that are not used."""
    order = table.order
    first_ms, last_ms = table.times_ms[order[0]], table.times_ms[order[-1]]
    distances = [table.times_ms[there] - table.times_ms[here] for here, there in pairwise(order)]
    usual_ms = median(distances) if distances else 0
    every = f", one every {_duration(usual_ms)}" if usual_ms else ""
    span = _duration(last_ms - first_ms)
    lines = [
        f"{_rows(len(order))} from {show_time(first_ms)} to {show_time(last_ms)} ({span}){every}",
        f"first: line {table.lines[order[0]]}: {_reading(table, order[0])}",
        f"last: line {table.lines[order[-1]]}: {_reading(table, order[-1])}",
        *_gaps(table, usual_ms),
    ]
    if len(table.series) > 1:
        lines.append(
            f"{len(table.series)} sensors: {', '.join(f'{sensor} on {host}' for sensor, host in table.series)}"
        )
    if isinstance(rows, CsvRows) and rows.unused:
        lines.append(f"columns not used: {', '.join(name or repr(name) for _, name in rows.unused)}")
    return lines


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _reading(table: Table, index: int) -> str:
    values = [f"{name} {round(value, 4):.10g}{_unit(name)}" for name, value in table.values(index).items()]
    sensor, host = table.name(index)
    return f"{show_time(table.times_ms[index])}, {sensor} on {host}: {', '.join(values)}"


def _unit(field: str) -> str:
    unit = FIELD_UNITS.get(field, "")
    return f" {unit}" if unit not in ("", "0-255") else ""


def _gaps(table: Table, usual_ms: float) -> list[str]:
    gaps = [
        (here, there)
        for here, there in pairwise(table.order)
        if usual_ms and table.times_ms[there] - table.times_ms[here] > GAP * usual_ms
    ]
    if not gaps:
        return ["gaps: none"]
    lines = [f"gaps: {len(gaps)} longer than {_duration(GAP * usual_ms)}"]
    lengths = {gap: table.times_ms[gap[1]] - table.times_ms[gap[0]] for gap in gaps}
    for here, there in sorted(gaps, key=lambda gap: -lengths[gap])[:_MOST_GAPS]:
        lines.append(f"  {_duration(lengths[here, there])} from {table.when(here)} to {table.when(there)}")
    return lines


def _duration(ms: float) -> str:
    for size_ms, unit in ((86_400_000, "days"), (3_600_000, "h"), (60_000, "min"), (1000, "s")):
        if ms >= 2 * size_ms or ms == size_ms:
            return f"{round(ms / size_ms, 1):g} {unit}"
    return f"{ms:g} ms"
