"""Timestamps: strictly increasing for each sensor, and only from a clock that is right.

The newest timestamp is kept in the runtime directory, which is in memory, and is written to the state directory only at
a clean stop, so that a healthy sensor does not write to its card. A power cut loses it, which matters only if the clock
had been ahead of the true time.
"""

import json
import logging
import uuid
from pathlib import Path

from sensorpi.common.daemon import untrusted
from sensorpi.common.errors import UserError
from sensorpi.common.files import write
from sensorpi.sensor.stamping.clock import Clock, ClockState
from sensorpi.sensor.stamping.entry import Entry

log = logging.getLogger(__name__)

KERNEL_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
#: 9999-12-31. No later time is taken from a file.
_LAST_MS = 253_402_300_799_999


def kernel_boot(file: Path = KERNEL_BOOT_ID) -> str:
    """An identifier of the time since the machine was started, in which monotonic times are valid.

    Where the kernel does not tell, it is one of this process.
    """
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return str(uuid.uuid4())


class LatestTimestamps:
    """Each sensor's newest timestamp (ms), kept in memory and in small files."""

    def __init__(self, runtime: Path | None, state: Path) -> None:
        """Read what earlier runs left. ``runtime`` is a directory in memory, or None."""
        self._runtime = runtime / "latest-timestamps.json" if runtime is not None else None
        self._state = state / "latest-timestamps.json"
        self._latest: dict[str, int] = {}
        self._right: dict[str, int] = {}
        self._used: dict[str, set[int]] = {}
        self._is_changed = False
        for file in (self._state, self._runtime):
            if file is not None:
                self.include(untrusted.load(file, _timestamps) or {})

    def include(self, latest: dict[str, int]) -> None:
        """Add timestamps that are known from elsewhere, such as from the spool."""
        for sensor, timestamp_ms in latest.items():
            self._latest[sensor] = max(timestamp_ms, self._latest.get(sensor, timestamp_ms))

    def newest(self, sensor: str | None = None) -> int:
        """The newest timestamp of a sensor, or of all; 0 if there is none."""
        return max(self._latest.values(), default=0) if sensor is None else self._latest.get(sensor, 0)

    def following(self, sensor: str, wanted_ms: int) -> int:
        """The wanted timestamp, or the next millisecond after the sensor's newest that was not used."""
        timestamp_ms = max(wanted_ms, self._latest.get(sensor, -1) + 1)
        while timestamp_ms in self._used.get(sensor, ()):
            timestamp_ms += 1
        self._latest[sensor] = timestamp_ms
        self._is_changed = True
        return timestamp_ms

    def was_right(self, entry: Entry) -> None:
        """Never go back behind this entry's timestamp."""
        self._right[entry.sensor] = max(entry.timestamp_ms or 0, self._right.get(entry.sensor, 0))

    def was_wrong(self, entry: Entry) -> None:
        """Do not give this entry's timestamp again when its time comes."""
        self._used.setdefault(entry.sensor, set()).add(entry.timestamp_ms or 0)

    def forget(self, sensor: str) -> None:
        """Go back: the sensor's newest timestamp was given by a wrong clock."""
        self._used.setdefault(sensor, set()).add(self._latest[sensor])
        self._latest[sensor] = self._right.get(sensor, 0)

    def keep(self) -> None:
        """Write them to the runtime directory if there are new ones."""
        if self._is_changed and self._runtime is not None:
            self._write(self._runtime)
        self._is_changed = False

    def close(self) -> None:
        """Write them to the card, at a clean stop only."""
        if self._latest:
            self._write(self._state)

    def _write(self, file: Path) -> None:
        try:
            write(file, json.dumps(self._latest))
        except UserError as error:
            log.warning("%s", error)


def _timestamps(text: str) -> dict[str, int]:
    content = untrusted.parse_json(text)
    if not isinstance(content, dict):
        raise TypeError("not an object")
    for timestamp_ms in content.values():
        if type(timestamp_ms) is not int or not 0 <= timestamp_ms <= _LAST_MS:
            raise ValueError("not a timestamp")
    return dict(content)


class Stamper:
    """Gives readings their timestamps, in the order in which they were taken."""

    def __init__(self, clock: Clock, latest: LatestTimestamps, boot: str) -> None:
        """``boot`` is the kernel's, in which monotonic times are valid."""
        self.clock, self.latest, self._boot = clock, latest, boot
        self._first_ms: int | None = None

    def stamp(self, entry: Entry, as_probe: bool = False) -> Entry | None:
        """The entry with its timestamp, or None while the clock is not right.

        ``as_probe``: also while it is only not known to be right; the entry is sent alone to find out.
        """
        taken = entry.taken
        state = self.clock.state()
        if taken is None or state is ClockState.UNSYNCHRONISED or (state is not ClockState.GOOD and not as_probe):
            return None
        wanted_ms = self.clock.at_ms(taken.monotonic_ns)
        if taken.after_first_ms is not None:
            if self._first_ms is None:
                self._first_ms = max(wanted_ms, self.latest.newest() + 1)
            wanted_ms = self._first_ms + taken.after_first_ms
        elif not self._has_right_floor(entry.sensor, wanted_ms):
            if not (self.clock.is_confirmed or as_probe):
                return None
            self.latest.forget(entry.sensor)
        stamped = entry.stamped(self.latest.following(entry.sensor, wanted_ms))
        if self.clock.is_confirmed:
            self.latest.was_right(stamped)
        return stamped

    def _has_right_floor(self, sensor: str, wanted_ms: int) -> bool:
        """Whether a sensor's newest timestamp is not far in the future, as one is that a wrong clock gave."""
        newest_ms = self.latest.newest(sensor)
        if self.clock.is_confirmed:
            return not self.clock.is_far_ahead(newest_ms)
        return newest_ms <= wanted_ms + self.clock.tolerance_ms

    def is_wrong(self, entry: Entry) -> bool:
        """Whether a timestamp that was not used yet is far from the brokers' time."""
        taken = entry.taken
        if taken is None or entry.timestamp_ms is None or taken.kernel_boot != self._boot:
            return False
        return taken.after_first_ms is None and self.clock.is_far(entry.timestamp_ms, taken.monotonic_ns)

    def was_sent(self, entry: Entry) -> None:
        """Learn of an acknowledged entry: its timestamp is not used again, even if it was wrong."""
        if self.is_wrong(entry):
            self.latest.was_wrong(entry)
        elif entry.taken is not None:
            self.latest.was_right(entry)

    def is_lost(self, entry: Entry) -> bool:
        """Whether an entry without a timestamp can never get one: the machine was rebooted after it was taken."""
        return entry.timestamp_ms is None and (entry.taken is None or entry.taken.kernel_boot != self._boot)
