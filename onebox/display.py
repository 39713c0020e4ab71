"""What flows, one line a stage, for the person at the terminal."""

import sys
import time
from collections.abc import Sequence

from onebox.ledger import Ledger
from onebox.process import Service

#: Without a terminal to redraw on, so often the lines are printed.
LOG_INTERVAL_S = 10.0


class Display:
    """Redraws its lines in place on a terminal; elsewhere prints them now and then."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._drawn = 0
        self._last = 0.0
        self._previous: tuple[float, int] = (time.monotonic(), 0)

    def show(self, lines: Sequence[str]) -> None:
        """Draw the lines, at most once a second."""
        now = time.monotonic()
        if now - self._last < (1.0 if self._terminal else LOG_INTERVAL_S):
            return
        self._last = now
        if self._terminal:
            back = f"\x1b[{self._drawn}A" if self._drawn else ""
            sys.stderr.write(back + "".join(f"\r\x1b[2K{line}\n" for line in lines))
            self._drawn = len(lines)
        else:
            sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()

    def pause(self) -> None:
        """Something else is about to be printed: the next lines come below it."""
        self._drawn = 0

    def lines(self, ledger: Ledger, services: Sequence[Service], sensor_status: str) -> list[str]:
        """One line a stage."""
        now, readings = time.monotonic(), ledger.readings
        rate = (readings - self._previous[1]) / max(now - self._previous[0], 1e-9)
        if now - self._last >= (1.0 if self._terminal else LOG_INTERVAL_S):
            self._previous = (now, readings)
        status = {service.name: service.status or ("running" if service.pid else "down") for service in services}
        lines = [
            f"  sensor     {readings} readings, {rate:.1f}/s{_values(ledger.last_values)}"
            + (f" — {sensor_status}" if sensor_status else ""),
            f"  kafka      {ledger.acknowledged} acknowledged",
            f"  spark      {status.get('spark', '')}",
            f"  influxdb   {_latency(ledger)}",
        ]
        return lines + [
            f"  {name:10} {text}" for name, text in status.items() if name in ("kafka", "influxdb") and "ended" in text
        ]


def _values(values: dict[str, float]) -> str:
    shown = []
    if "temperature" in values:
        shown.append(f"{values['temperature']:.1f} °C")
    if "pressure" in values:
        shown.append(f"{values['pressure'] / 100:.1f} hPa")
    if "heading" in values:
        shown.append(f"{values['heading']:.0f}°")
    return f" ({', '.join(shown)})" if shown else ""


def _latency(ledger: Ledger) -> str:
    latency = ledger.latency_ms()
    if latency is None:
        return "running"
    return f"queryable {latency['p50']:.0f} ms after the read (99 %: {latency['p99']:.0f} ms)"
