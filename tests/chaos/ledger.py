"""What the sensors took, from the events that they write when they take a reading, whatever becomes of them later."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onebox.ledger import ReadingId

#: The beginning of each line that a sensor writes.
_BEGINNING = '{"event":'


@dataclass(frozen=True)
class Taken:
    """A reading as it was taken. ``timestamp_ms`` is None until the sensor has given it a time."""

    reading: ReadingId
    host: str
    #: By the monotonic clock, which is the same for all processes of a machine.
    taken_s: float
    values: Mapping[str, float]
    timestamp_ms: int | None
    #: When it was written down; None if the sensor's own events are the only source.
    written_s: float | None = None


class Ledger:
    """Reads the files ``SENSOR.jsonl``. Every process of a sensor appends to the same file.

    The chaos' own sensors (``sensor_program``) write ``taken`` as soon as the board was read, with the number of the
    reading in its process. The sensor's own ``read`` or ``held`` tells its boot, and later its time.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self.taken: dict[ReadingId, Taken] = {}
        #: How many readings each sensor's last process left in its spool when it ended by itself.
        self._spooled: dict[str, int] = {}
        self._places = dict.fromkeys(files, 0)
        #: For each sensor's present process, what it took whose boot is not known yet, by its number.
        self._unnamed: dict[str, dict[int, Taken]] = {}
        self._processes: dict[str, int] = {}

    def spooled(self, sensor: str) -> int:
        """How many readings the sensor's process left in the spool when it ended by itself."""
        return self._spooled.get(sensor, 0)

    def everything(self) -> dict[ReadingId, Taken]:
        """All readings that were taken. One whose process ended before it said more has the process for its boot."""
        unnamed = [taken for numbers in self._unnamed.values() for taken in numbers.values()]
        return self.taken | {taken.reading: taken for taken in unnamed}

    def read_on(self) -> list[Taken]:
        """Read what was written since the last call; return the readings that are new or have a time now."""
        news: list[Taken] = []
        for file, place in self._places.items():
            if not file.exists():
                continue
            with file.open("rb") as opened:
                opened.seek(place)
                written = opened.read()
            whole = written[: written.rfind(b"\n") + 1]
            self._places[file] = place + len(whole)
            for line in whole.decode().split("\n"):
                # A process that was killed may have left half a line, which the next one continues.
                line = line[max(line.rfind(_BEGINNING), 0) :]
                if line:
                    news += self._event(json.loads(line), file.stem)
        return news

    def _event(self, event: dict[str, Any], sensor: str) -> list[Taken]:
        match event["event"]:
            case "end":
                self._spooled[sensor] = event["spooled"]
            case "taken":
                self._take(event, sensor)
            case "held" | "read":
                return [self._name(event, sensor)]
        return []

    def _take(self, event: dict[str, Any], sensor: str) -> None:
        unnamed = self._unnamed.setdefault(sensor, {})
        if self._processes.get(sensor) != event["process"]:  # what the one before took stays without a boot
            self._processes[sensor] = event["process"]
            self.taken |= {taken.reading: taken for taken in unnamed.values()}
            unnamed.clear()
        number = event["number"]
        written_s = event["written_ns"] / 1e9
        reading = ReadingId(event["sensor"], f"of process {event['process']}", number)
        unnamed[number] = Taken(reading, event["host"], event["monotonic_ns"] / 1e9, event["values"], None, written_s)

    def _name(self, event: dict[str, Any], sensor: str) -> Taken:
        reading = ReadingId(event["sensor"], event["boot"], event["sequence"])
        timestamp_ms = event.get("timestamp")
        before = self.taken.get(reading)
        if before is None:
            before = self._unnamed.get(sensor, {}).pop(reading.sequence, None)
        if before is None:
            before = Taken(reading, event["host"], event["monotonic_ns"] / 1e9, event["values"], None)
        taken = replace(before, reading=reading, timestamp_ms=timestamp_ms or before.timestamp_ms)
        self.taken[reading] = taken
        return taken
