"""What the sensors took, from the events that they write when they take a reading, whatever becomes of them later."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

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


class Ledger:
    """Reads the files ``SENSOR.jsonl``. Every process of a sensor appends to the same file."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.taken: dict[ReadingId, Taken] = {}
        #: How many readings each sensor's last process left in its spool when it ended by itself.
        self._spooled: dict[str, int] = {}
        self._places = dict.fromkeys(files, 0)

    def spooled(self, sensor: str) -> int:
        """How many readings the sensor's process left in the spool when it ended by itself."""
        return self._spooled.get(sensor, 0)

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
                news += self._event(line, file.stem)
        return news

    def _event(self, line: str, sensor: str) -> list[Taken]:
        # A process that was killed may have left half a line, which the next one continues.
        line = line[max(line.rfind(_BEGINNING), 0) :]
        if not line:
            return []
        event = json.loads(line)
        if event["event"] == "end":
            self._spooled[sensor] = event["spooled"]
        if event["event"] not in ("held", "read"):
            return []
        reading = ReadingId(event["sensor"], event["boot"], event["sequence"])
        taken = Taken(reading, event["host"], event["monotonic_ns"] / 1e9, event["values"], event.get("timestamp"))
        before = self.taken.get(reading)
        if before is not None and before.timestamp_ms is None:
            taken = replace(before, timestamp_ms=taken.timestamp_ms)
        self.taken[reading] = taken
        return [taken]
