"""What `make run` prints on standard error: messages, and below them one line for each stage."""

import contextlib
import logging
import shutil
import sys
import time
from collections.abc import Sequence

from onebox.ledger import Ledger
from onebox.process import Service
from sensorpi.sensor.recordings.progress import progress

#: The time between two prints of the stages' lines if standard error is not a terminal.
LOG_INTERVAL_S = 10.0
#: The same on a terminal, where they are printed in the same place.
REDRAW_INTERVAL_S = 0.5


class Screen:
    """Standard error: messages scroll, and the stages' lines stay below them and are overwritten in place."""

    def __init__(self) -> None:
        self._drawn = 0

    @property
    def is_terminal(self) -> bool:
        """Whether lines can be overwritten."""
        return sys.stderr.isatty()

    def say(self, text: str) -> None:
        """Print a message, above the stages' lines if there are any."""
        self._write(self._back() + text + "\n")
        self._drawn = 0

    def draw(self, lines: Sequence[str]) -> None:
        """Print the stages' lines. On a terminal they overwrite the previous ones."""
        if self.is_terminal:
            width = shutil.get_terminal_size().columns - 1  # a line that wraps could not be overwritten
            lines = [line[:width] for line in lines]
        self._write(self._back() + "".join(f"{line}\n" for line in lines))
        self._drawn = len(lines) if self.is_terminal else 0

    def keep(self) -> None:
        """Keep the stages' lines on the screen: the next message is printed below them."""
        self._drawn = 0

    def _back(self) -> str:
        return f"\x1b[{self._drawn}A\x1b[J" if self._drawn else ""

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody reads standard error, which must not prevent the drain
            sys.stderr.write(text)
            sys.stderr.flush()


SCREEN = Screen()


def say(text: str) -> None:
    """Print a message on standard error; standard output is for results."""
    SCREEN.say(text)


class LogToScreen(logging.Handler):
    """Prints the warnings of the parts that run in this process."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        say(f"  {self.format(record)}")


class StageLines:
    """One line for each stage, with its figures."""

    def __init__(self, ledger: Ledger, rows: int | None = None) -> None:
        """``rows`` is how many readings there will be, for a recording."""
        self._ledger, self._rows = ledger, rows
        self._last = self._rate_since = time.monotonic()
        self._rate_from = 0

    def show(self, services: Sequence[Service], note: str, at_once: bool = False) -> None:
        """Print the lines, with a note in the sensor's. Does nothing soon after the last time, unless ``at_once``."""
        interval_s = REDRAW_INTERVAL_S if SCREEN.is_terminal else LOG_INTERVAL_S
        now = time.monotonic()
        if at_once or now - self._last >= interval_s:
            self._last = now
            SCREEN.draw(self._lines(services, note, now))

    def _lines(self, services: Sequence[Service], note: str, now: float) -> list[str]:
        ledger, readings = self._ledger, self._ledger.readings
        if readings == 0:
            self._rate_since = now
        rate = (readings - self._rate_from) / max(now - self._rate_since, REDRAW_INTERVAL_S)
        if now - self._rate_since >= LOG_INTERVAL_S:
            self._rate_since, self._rate_from = now, readings
        status = {service.name: service.status for service in services}
        taken = f"{readings} readings, {rate:.1f}/s" if self._rows is None else progress(readings, self._rows, rate)
        sensor = f"{taken}{_values(ledger.last_values)}"
        lines = {
            "sensor": sensor + (f"; {note}" if note else ""),
            "kafka": f"{ledger.acknowledged} acknowledged",
            "spark": status.get("spark", ""),
            "influxdb": _latency(ledger),
        }
        lines |= {service.name: service.status for service in services if service.pid is None and service.status}
        return [f"  {name:10} {text}" for name, text in lines.items()]


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
    return (
        f"{len(ledger.latencies_ms)} queryable, {latency['p50']:.0f} ms after the read (99 %: {latency['p99']:.0f} ms)"
    )
