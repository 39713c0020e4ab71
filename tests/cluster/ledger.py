"""What the sensor took, reading by reading, from the events that it writes: the list that InfluxDB is held against."""

import json
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from onebox.ledger import ReadingId as Reading
from tests.chaos import ledger as chaos
from tests.chaos.ledger import Taken


class ReadingId(NamedTuple):
    """What tells one reading of the sensor from all others."""

    boot: str
    sequence: int


@dataclass
class Ledger:
    """Reads the sensor's events and, where its power was cut, what was on its disk then."""

    events: Path
    spool: Path
    #: Readings that a power cut took out of the sensor's memory: Kafka had not acknowledged them.
    excused: set[ReadingId] = field(default_factory=set)

    def taken(self) -> set[ReadingId]:
        """Every reading that was taken."""
        return {reading for boot, count in self._counts("taken").items() for reading in _first(boot, count)}

    def readings(self) -> dict[Reading, Taken]:
        """Every reading that was taken, with all that the sensor wrote about it."""
        ledger = chaos.Ledger([self.events])
        ledger.read_on()
        return ledger.taken

    def acknowledged(self) -> int:
        """How many readings Kafka has acknowledged to the process that took them."""
        return sum(self._counts("acknowledged").values())

    def owed(self) -> set[ReadingId]:
        """Every reading that has to be in InfluxDB sooner or later."""
        return self.taken() - self.excused

    def note_power_cut(self) -> set[ReadingId]:
        """Excuse what was in memory only; return what waits on the disk. The sensor's node must be off."""
        waiting = self._spooled()
        acknowledged = self._counts("acknowledged")
        # The publisher keeps the order, so what is acknowledged is the beginning.
        safe = {reading for boot, count in acknowledged.items() for reading in _first(boot, count)} | waiting
        last_boot = self._boots()[-1]
        self.excused |= {reading for reading in self.taken() - safe if reading.boot == last_boot}
        return waiting

    def _lines(self) -> list[dict[str, object]]:
        lines = self.events.read_text(encoding="utf-8").splitlines() if self.events.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def _boots(self) -> list[str]:
        return list(self._counts("taken"))

    def _counts(self, what: str) -> dict[str, int]:
        """Boot -> how many readings it took, or got acknowledged. One process writes after the other."""
        counts: dict[str, int] = {}
        boot = ""
        for event in self._lines():
            if event["event"] == "read":
                boot = str(event["boot"])
                counts.setdefault(boot, 0)
                if what == "taken":
                    counts[boot] = int(str(event["sequence"]))
            elif event["event"] == "acknowledged" and what == "acknowledged" and boot:
                counts[boot] = int(str(event["count"]))
        return counts

    def _spooled(self) -> set[ReadingId]:
        """What is in the sensor's spool, read from a copy."""
        with tempfile.TemporaryDirectory() as folder:
            for file in self.spool.parent.glob(f"{self.spool.name}*"):
                shutil.copy(file, folder)
            copy = Path(folder, self.spool.name)
            if not copy.exists():
                return set()
            database = sqlite3.connect(copy)
            try:
                messages = [json.loads(row[0]) for row in database.execute("SELECT message FROM readings")]
            finally:
                database.close()
        return {ReadingId(message["boot"], message["sequence"]) for message in messages}


def _first(boot: str, count: int) -> set[ReadingId]:
    return {ReadingId(boot, sequence) for sequence in range(1, count + 1)}
