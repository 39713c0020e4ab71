"""Readings that are not on their way to Kafka: new ones in memory, and those that had to wait on the disk.

The order is that in which they were taken: first the spool, then the memory.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sensorpi.common.daemon.outage import Outage
from sensorpi.sensor.publishing.events import Events
from sensorpi.sensor.publishing.link import Sent
from sensorpi.sensor.publishing.spool import Spool
from sensorpi.sensor.stamping.clock import ClockState
from sensorpi.sensor.stamping.entry import Entry
from sensorpi.sensor.stamping.stamps import Stamper

log = logging.getLogger(__name__)

#: A reading that is not acknowledged is written to the disk after this time, in seconds.
HOLD_S = 0.3
#: The maximum number of readings in memory while the spool's disk fails.
MOST_IN_MEMORY = 10_000


@dataclass(slots=True)
class Item:
    """A reading that is not acknowledged."""

    entry: Entry
    since_s: float
    number: int | None = None  # its row's, to delete it
    is_on_disk: bool = False
    was_sent: bool = False
    is_probe: bool = False  # an acknowledged reading, which is sent again to hear the broker's time
    sent: Sent | None = None
    sent_s: float = 0.0


class Store:
    """A queue; for the publisher's thread only."""

    def __init__(self, spool: Spool, stamper: Stamper, events: Events) -> None:
        """Open the spool, in whatever state it is."""
        self._spool, self._stamper, self._events = spool, stamper, events
        self.disk = Outage(str(spool.path), log, longest_s=5.0)
        self.lost = 0
        #: At the end: whether there is a spool that could not be read, so that it is unknown what it holds.
        self.has_unread_spool = False
        self._memory: deque[Item] = deque()
        self._next_try_s = self._next_read_s = 0.0
        self._newest_sent = 0
        self._spool_has_unstamped = False
        self._is_dropping_logged = False
        self._with_disk(self._open)

    @property
    def on_disk(self) -> int:
        """How many readings the spool holds, those on their way to Kafka included."""
        return len(self._spool)

    @property
    def in_memory(self) -> int:
        """How many readings are in memory only."""
        return len(self._memory)

    @property
    def has_spooled(self) -> bool:
        """Whether readings on the disk are to be sent first, and can be read."""
        return self._spool.unsent > 0 and not self._spool.is_closed

    def tend(self) -> None:
        """Try to open a spool that could not be opened, and find out whether a failing disk is back."""
        if self._spool.is_closed:
            self._with_disk(self._open)
        elif self.disk.down and not self._memory:
            self._with_disk(self._check)
        if self._spool.unsent and self._stamper.clock.state() is not ClockState.GOOD:
            self._spool_has_unstamped = True  # or those with a timestamp that turns out to be wrong

    def _open(self) -> None:
        self._spool.open()
        self._stamper.latest.include(self._spool.newest_timestamps())
        self._spool_has_unstamped = self._spool.has_unstamped()
        self.disk.succeeded()

    def _check(self) -> None:
        self._spool.check()
        self.disk.succeeded()

    def _with_disk(self, action: Callable[[], None], at_once: bool = False) -> bool:
        """Do this unless the disk has failed a moment ago; whether it worked. A failure is logged once."""
        if self.disk.down and time.monotonic() < self._next_try_s and not at_once:
            return False
        try:
            action()
        except OSError as error:
            self._next_try_s = time.monotonic() + self.disk.failed(error.strerror or error)
            return False
        return True

    def add(self, entry: Entry) -> None:
        """Add the newest reading. It gets its timestamp if those before it have one."""
        if entry.timestamp_ms is not None:
            self._events.read(entry)
        elif self._has_unstamped() or (stamped := self._stamped(entry)) is None:
            self._events.held(entry)
        else:
            entry = stamped
        self._memory.append(Item(entry, time.monotonic()))
        while len(self._memory) > MOST_IN_MEMORY:
            self._memory.popleft()
            self.lost += 1
            if not self._is_dropping_logged:
                self._is_dropping_logged = True
                log.warning(
                    "%d readings are in memory, and the disk takes none: the oldest are dropped", MOST_IN_MEMORY
                )

    def _has_unstamped(self) -> bool:
        newest = self._memory[-1].entry if self._memory else None
        return self._spool_has_unstamped or (newest is not None and newest.timestamp_ms is None)

    def _stamped(self, entry: Entry, as_probe: bool = False) -> Entry | None:
        stamped = self._stamper.stamp(entry, as_probe)
        if stamped is not None:
            self._events.read(stamped)
        return stamped

    def take(self, most: int, as_probe: bool = False) -> list[Item]:
        """Up to ``most`` of the oldest readings that can be sent now. ``as_probe``: see ``Stamper.stamp``."""
        items: list[Item] = []
        if self.has_spooled and time.monotonic() >= self._next_read_s:
            try:
                return self._spooled(most, as_probe)
            except OSError as error:
                self._next_read_s = time.monotonic() + self.disk.failed(error.strerror or error)
        self._spool_has_unstamped = False
        while self._memory and len(items) < most:
            item = self._memory[0]
            if item.entry.timestamp_ms is None or (not item.was_sent and self._stamper.is_wrong(item.entry)):
                stamped = self._stamped(item.entry, as_probe)
                if stamped is None:
                    break
                item.entry = stamped
            items.append(self._memory.popleft())
        return items

    def _spooled(self, most: int, as_probe: bool) -> list[Item]:
        rows = self._spool.take(most, lambda entry: not self._stamper.is_lost(entry))
        items: list[Item] = []
        changed: list[tuple[int, Entry]] = []
        for position, (number, entry) in enumerate(rows):
            if entry.timestamp_ms is None or (number > self._newest_sent and self._stamper.is_wrong(entry)):
                self._spool_has_unstamped = True
                stamped = self._stamped(entry, as_probe)
                if stamped is None:
                    self._spool.give_back([number for number, _ in rows[position:]])
                    break
                entry = stamped
                changed.append((number, entry))
            items.append(Item(entry, 0.0, number, is_on_disk=True))
        if changed:
            self._with_disk(lambda: self._spool.replace(changed))  # else they have their timestamps in memory only
        return items

    def put_back(self, items: Sequence[Item]) -> None:
        """Take back readings that were on their way, in front of the others."""
        numbers = [item.number for item in items if item.number is not None]
        if numbers:
            self._newest_sent = numbers[-1]
            self._spool.give_back(numbers)
        for item in reversed(items):
            if not item.is_on_disk:
                item.was_sent = True
                self._memory.appendleft(item)

    def save(self, on_their_way: Sequence[Item], at_once: bool = False) -> None:
        """Write everything to the disk once the oldest reading waits too long."""
        sent = [item for item in on_their_way if not item.is_on_disk]
        items = [*sent, *self._memory]
        if items and (at_once or time.monotonic() - items[0].since_s >= HOLD_S):
            self._with_disk(lambda: self._append(sent, items), at_once)

    def _append(self, sent: list[Item], items: list[Item]) -> None:
        if self._spool.is_closed:
            self._open()
        is_next = not self._spool.unsent
        numbers = self._spool.append([item.entry for item in items])
        self._memory.clear()
        self._spool_has_unstamped = self._spool_has_unstamped or any(item.entry.timestamp_ms is None for item in items)
        for item, number in zip(sent, numbers, strict=False):
            item.is_on_disk = True
            if is_next:  # else older rows come before it, and it is sent twice
                item.number = number
        if sent and is_next:
            self._spool.taken(numbers[: len(sent)])
        self.disk.succeeded()
        self._events.emit("spooled", count=len(items))

    def remove(self, items: Sequence[Item]) -> None:
        """Forget acknowledged readings. Those that cannot be deleted are not sent again by this run."""
        numbers = [item.number for item in items if item.number is not None]
        if numbers:
            self._newest_sent = numbers[-1]
            self._with_disk(lambda: self._spool.remove(numbers), at_once=True)

    def write_events(self) -> None:
        """Write the events of the readings that were added or got their timestamp."""
        self._events.flush()

    def close(self) -> None:
        """Write everything to the disk. What it does not take is lost."""
        self.write_events()
        self.save([], at_once=True)
        self.lost += len(self._memory) + self._spool.dropped
        self._memory.clear()
        self.has_unread_spool = self._spool.is_closed
        self._spool.close()
