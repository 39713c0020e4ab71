"""Compares every reading that was taken with what is in InfluxDB, on the dead-letter topic and in Kafka's log.

It needs only the lists, so it serves processes on one machine, containers, and planted rows in tests.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from onebox.ledger import ReadingId
from tests.chaos.ledger import Taken

#: What a killed sensor may lose: readings that it took this long before, not counting the time in which it could not
#: run. After that they are in Kafka or on its disk.
CUT_S = 1.0
#: How far a time may be from the true one unless the sensor's clock was changed.
MISDATED_MS = 60_000
#: How long after a change of its clock a sensor may need until its times are right again.
CLOCK_SETTLES_S = 30.0


@dataclass(frozen=True)
class Row:
    """One point in InfluxDB."""

    reading: ReadingId
    host: str
    timestamp_ms: int
    fields: Mapping[str, float]


@dataclass(frozen=True)
class Killed:
    """A sensor's process was ended by SIGKILL, at this value of the monotonic clock.

    ``waits`` has, for moments before, how long the process had not been able to run since its start (`waits.py`).
    """

    host: str
    at_s: float
    waits: Sequence[tuple[float, float]] = ()

    def ran_s(self, since_s: float) -> float:
        """How long the process could run from ``since_s`` until it was killed."""
        before = [waited_s for at_s, waited_s in self.waits if at_s <= since_s] or [
            waited_s for _, waited_s in self.waits[:1]
        ]
        waited_s = self.waits[-1][1] - before[-1] if self.waits else 0.0
        return max(self.at_s - since_s - waited_s, 0.0)


@dataclass(frozen=True)
class ClockChanged:
    """A sensor's clock was wrong from ``start_s`` to ``end_s`` of the monotonic clock."""

    host: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Logged:
    """A message of topic `sensors` in Kafka's log."""

    reading: ReadingId
    partition: int
    offset: int


@dataclass(frozen=True)
class Finding:
    """One reading and what is wrong with it."""

    reading: ReadingId
    text: str

    def __str__(self) -> str:
        sensor, boot, sequence = self.reading
        return f"{sensor} boot {boot} sequence {sequence}: {self.text}"


@dataclass
class Verdict:
    """What became of the readings."""

    readings: int = 0
    dead_lettered: int = 0
    lost: list[Finding] = field(default_factory=list)
    cut: list[Finding] = field(default_factory=list)
    duplicated: list[Finding] = field(default_factory=list)
    altered: list[Finding] = field(default_factory=list)
    out_of_order: list[Finding] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong. Cut and dead-lettered readings are not wrong."""
        return not (self.lost or self.duplicated or self.altered or self.out_of_order)


@dataclass(frozen=True)
class Evidence:
    """All that is compared. ``epoch_s`` is the true time (UTC) when the monotonic clock was 0, or None if unknown."""

    taken: Mapping[ReadingId, Taken]
    rows: Sequence[Row]
    #: The values of the messages on the dead-letter topic.
    letters: Sequence[bytes] = ()
    log: Sequence[Logged] = ()
    kills: Sequence[Killed] = ()
    clocks: Sequence[ClockChanged] = ()
    epoch_s: float | None = None


def check(evidence: Evidence) -> Verdict:
    """Name each reading that is lost, cut, duplicated, altered or out of order."""
    verdict = Verdict(readings=len(evidence.taken))
    rows: dict[ReadingId, list[Row]] = defaultdict(list)
    for row in evidence.rows:
        rows[row.reading].append(row)
    letters = dict(_letters(evidence.letters))
    logged = {each.reading: each for each in reversed(evidence.log)}
    for reading, taken in evidence.taken.items():
        if reading in rows:
            _check_stored(taken, rows[reading], verdict)
        elif reading in letters:
            verdict.dead_lettered += 1
            differences = _letter_differs(taken, letters[reading])
            verdict.altered += [Finding(reading, f"dead-lettered, {text}") for text in differences]
        else:
            _missing(taken, logged.get(reading), evidence.kills, verdict)
    never_taken = sorted((rows.keys() | letters.keys()) - evidence.taken.keys())
    verdict.altered += [Finding(reading, "was never taken") for reading in never_taken]
    _check_order(evidence, verdict)
    return verdict


def _check_stored(taken: Taken, rows: Sequence[Row], verdict: Verdict) -> None:
    if len(rows) > 1:
        places = ", ".join(f"host {row.host} at {row.timestamp_ms} ms" for row in rows)
        verdict.duplicated.append(Finding(taken.reading, f"is stored {len(rows)} times: {places}"))
    for row in rows:
        verdict.altered += [Finding(taken.reading, text) for text in _differences(taken, row)]


def _differences(taken: Taken, row: Row) -> list[str]:
    expected: dict[str, float] = {**taken.values, "sequence": float(taken.reading.sequence)}
    if "heading" in expected:
        heading = math.radians(expected["heading"])
        expected |= {"heading_sin": round(math.sin(heading), 6), "heading_cos": round(math.cos(heading), 6)}
    found = []
    for name in sorted(expected.keys() | row.fields.keys()):
        was, stored = expected.get(name), row.fields.get(name)
        tolerance = 1.5e-6 if name.startswith("heading_") else 0.0
        if was is None or stored is None or abs(was - stored) > tolerance:
            found.append(f"{name} was {_shown(was)} and is stored as {_shown(stored)}")
    if row.host != taken.host:
        found.append(f"host was {taken.host} and is stored as {row.host}")
    if taken.timestamp_ms != row.timestamp_ms:
        found.append(f"timestamp was {_shown(taken.timestamp_ms)} and is stored as {row.timestamp_ms}")
    return found


def _shown(value: float | None) -> str:
    return "missing" if value is None else repr(value)


def _letters(values: Iterable[bytes]) -> Iterable[tuple[ReadingId, dict[str, Any]]]:
    """The readings among dead letters, most of which may be anything."""
    for value in values:
        try:
            message = json.loads(value)
            yield ReadingId(str(message["sensor"]), str(message["boot"]), int(message["sequence"])), message
        except (ValueError, TypeError, KeyError, RecursionError):
            continue


def _letter_differs(taken: Taken, message: Mapping[str, Any]) -> list[str]:
    sensor, boot, sequence = taken.reading
    identity = {"sensor": sensor, "host": taken.host, "boot": boot, "sequence": sequence}
    expected = {**identity, "timestamp": taken.timestamp_ms, **taken.values}
    names = sorted(expected.keys() | message.keys())
    return [
        f"{name} was {expected.get(name)!r} and is {message.get(name)!r}"
        for name in names
        if expected.get(name) != message.get(name)
    ]


def _missing(taken: Taken, logged: Logged | None, kills: Sequence[Killed], verdict: Verdict) -> None:
    if logged is not None:
        text = (
            f"is in Kafka (partition {logged.partition}, offset {logged.offset}) and neither stored nor dead-lettered"
        )
        verdict.lost.append(Finding(taken.reading, text))
        return
    since_s = taken.taken_s if taken.written_s is None else taken.written_s
    after = [kill.ran_s(since_s) for kill in kills if kill.host == taken.host and kill.at_s >= since_s]
    if after and min(after) <= CUT_S:
        verdict.cut.append(Finding(taken.reading, f"was taken {min(after):.2f} s before its sensor was killed"))
        return
    killed = f"; its sensor was killed {min(after):.2f} s later" if after else ""
    stamped = "" if taken.timestamp_ms is not None else ", and it never got a time"
    verdict.lost.append(Finding(taken.reading, f"taken by {taken.host}, never reached Kafka{stamped}{killed}"))


def _check_order(evidence: Evidence, verdict: Verdict) -> None:
    _check_log(evidence, verdict)
    by_series: dict[tuple[str, str], list[Taken]] = defaultdict(list)
    for taken in evidence.taken.values():
        if taken.timestamp_ms is not None:
            by_series[taken.host, taken.reading.sensor].append(taken)
    for (host, _), readings in by_series.items():
        clocks = [clock for clock in evidence.clocks if clock.host == host]
        _check_times(sorted(readings, key=lambda taken: taken.taken_s), clocks, verdict)
        if evidence.epoch_s is not None:
            verdict.out_of_order += _misdated(readings, clocks, evidence.epoch_s)


def _check_times(readings: Sequence[Taken], clocks: Sequence[ClockChanged], verdict: Verdict) -> None:
    """Times increase. For each change of the sensor's clock, there may be one step back to the true time."""
    steps = sorted(clock.start_s for clock in clocks)
    newest_ms, before = -1, None
    for taken in readings:
        timestamp_ms = taken.timestamp_ms or 0
        if timestamp_ms <= newest_ms and before is not None:
            if steps and steps[0] <= taken.taken_s:
                steps.pop(0)
            else:
                text = f"its time {timestamp_ms} ms is not after {newest_ms} ms of sequence {before.reading.sequence}"
                verdict.out_of_order.append(Finding(taken.reading, text))
                continue
        newest_ms, before = timestamp_ms, taken


def _misdated(readings: Iterable[Taken], clocks: Sequence[ClockChanged], epoch_s: float) -> Iterable[Finding]:
    for taken in readings:
        wrong_ms = (taken.timestamp_ms or 0) - (epoch_s + taken.taken_s) * 1000
        excused = any(clock.start_s - 1 <= taken.taken_s <= clock.end_s + CLOCK_SETTLES_S for clock in clocks)
        if abs(wrong_ms) > MISDATED_MS and not excused:
            side = "ahead of" if wrong_ms > 0 else "behind"
            yield Finding(taken.reading, f"its time is {abs(wrong_ms) / 1000:.0f} s {side} the true one")


def _check_log(evidence: Evidence, verdict: Verdict) -> None:
    """Kafka has each sensor's readings in order. A repetition of earlier ones is allowed."""
    seen: set[ReadingId] = set()
    newest: dict[tuple[str, str], int] = {}
    for each in sorted(evidence.log, key=lambda logged: (logged.partition, logged.offset)):
        sensor, boot, sequence = each.reading
        if each.reading in seen or each.reading not in evidence.taken:
            continue
        seen.add(each.reading)
        if sequence < newest.get((sensor, boot), 0):
            text = f"is in Kafka at offset {each.offset}, after sequence {newest[sensor, boot]}"
            verdict.out_of_order.append(Finding(each.reading, text))
        newest[sensor, boot] = max(sequence, newest.get((sensor, boot), 0))
