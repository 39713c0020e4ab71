"""Keeps each reading until Kafka acknowledges it: in memory for a moment, then in the spool.

A thread that never waits for Kafka decides: the producer works in another one. A message that was given up may be in
Kafka all the same, and is then sent twice; the database stores it once.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from sensorpi.common.daemon.outage import Outage
from sensorpi.sensor.publishing.link import Link
from sensorpi.sensor.publishing.producer import Producer, UnreachableError
from sensorpi.sensor.publishing.store import Item, Store
from sensorpi.sensor.stamping.clock import ClockState
from sensorpi.sensor.stamping.entry import Entry
from sensorpi.sensor.stamping.stamps import Stamper

log = logging.getLogger(__name__)

#: The maximum time for an acknowledgement, in seconds. After that the producer is replaced.
DEADLINE_S = 10.0
#: The maximum numbers of messages that are not acknowledged, and of readings that the thread has not taken yet.
MOST_IN_FLIGHT, MOST_WAITING = 5_000, 1_000
#: How many readings are read from the spool at once.
FROM_SPOOL = 500
#: While the clocks disagree, a broker's time is asked for that often, in seconds.
PROBE_S = 60.0
#: The maximum time for which the end of an old producer is waited for, in seconds.
CLOSING_S = 15.0


class Publisher:
    """A thread that sends entries to Kafka. ``submit`` makes its caller wait while too many entries are queued."""

    def __init__(
        self,
        connect: Callable[[], Producer],
        store: Store,
        stamper: Stamper,
        kafka: Outage,
        *,
        can_wait: bool,
        acknowledged: Callable[[list[Entry]], None],
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """``can_wait``: the source waits while Kafka is unavailable, so only messages that were sent need spooling.

        ``acknowledged`` is called from the publisher's thread.
        """
        self._connect, self._store, self._stamper, self.kafka = connect, store, stamper, kafka
        self._can_wait, self._acknowledged, self._deadline_s = can_wait, acknowledged, deadline_s
        #: As it was seen last.
        self.clock_state = ClockState.GOOD
        self._link: Link | None = None
        self._old_link: tuple[Link, float] | None = None
        self._next_try_s = 0.0
        self._waiting: deque[Entry] = deque()
        self._in_flight: deque[Item] = deque()
        self._last_sent: Entry | None = None
        self._next_probe_s: float | None = None
        self._wake, self._room = threading.Event(), threading.Event()
        self._ending_s: float | None = None
        self._progress_s = 0.0
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, entry: Entry, regardless: bool = False) -> bool:
        """Queue an entry; False if there was no room for a while. Raises the exception that ended the thread.

        ``regardless`` queues it even without room, for the last one before a stop.
        """
        if len(self._waiting) >= MOST_WAITING and not regardless:
            self._room.clear()
            self._room.wait(0.2)
            self.check()
            if len(self._waiting) >= MOST_WAITING:
                return False
        self._waiting.append(entry)
        self._wake.set()
        return True

    def check(self) -> None:
        """Raise the exception that ended the thread, if there was one."""
        if self._failure is not None:
            raise self._failure

    @property
    def on_disk(self) -> int:
        """How many readings that Kafka has not acknowledged are on the disk."""
        return self._store.on_disk

    @property
    def in_memory(self) -> int:
        """How many readings that Kafka has not acknowledged are in memory only."""
        new = sum(not item.is_on_disk for item in tuple(self._in_flight))
        return len(self._waiting) + self._store.in_memory + new

    def close(self, drain_s: float, see_through: bool = False) -> None:
        """Deliver the rest, or write it to the spool after ``drain_s`` seconds; then end the thread.

        ``see_through``: after ``drain_s`` seconds without progress.
        """
        self._progress_s = drain_s if see_through else 0.0
        self._ending_s = time.monotonic() + drain_s
        self._wake.set()
        self._thread.join()
        self.check()

    # Everything below runs in the thread.

    def _run(self) -> None:
        try:
            while not self._finished():
                self._wake.wait(0.05 if self._has_new() or self._ending_s is not None else 0.5)
                self._wake.clear()
                self.step()
        except BaseException as error:
            self._failure = error
            log.exception("the publisher failed")
        finally:
            link = self._link
            self._give_up_link()
            while self._waiting:
                self._store.add(self._waiting.popleft())
            self._store.close()
            self._room.set()
            if link is not None:
                link.wait(3.0)

    def _has_new(self) -> bool:
        return bool(self._waiting or self._in_flight or self._store.in_memory)

    def _finished(self) -> bool:
        if self._ending_s is None:
            return False
        return time.monotonic() >= self._ending_s or not (self._has_new() or self.on_disk)

    def step(self) -> None:
        """One round: acknowledgements, deadline, connection, what can be sent, and what must be on the disk."""
        self._collect()
        link = self._link
        if link is not None and link.failure is not None:
            if not isinstance(link.failure, UnreachableError):
                raise link.failure
            self._lost(link.failure)
        elif self._in_flight and time.monotonic() - self._in_flight[0].sent_s > self._deadline_s:
            self._lost(f"no acknowledgement within {self._deadline_s:g} s")
        self.clock_state = self._stamper.clock.state()
        self._store.tend()
        self._take_new()
        self._open_link()
        self._send()
        self._store.write_events()
        self._store.save([] if self._can_wait else self._in_flight)

    def _collect(self) -> None:
        done: list[Item] = []
        failure: BaseException | None = None
        while self._in_flight and (sent := self._in_flight[0].sent) is not None and sent.is_done:
            if sent.error is not None:
                failure = sent.error
                break
            self._stamper.clock.heard(sent.append_ms, sent.sent_ns, sent.acknowledged_ns)
            done.append(self._in_flight.popleft())
        if done:
            self._delivered(done)
        if failure is not None:
            self._lost(failure)

    def _delivered(self, done: list[Item]) -> None:
        self.kafka.succeeded()
        if self._ending_s is not None:
            self._ending_s = max(self._ending_s, time.monotonic() + self._progress_s)
        self._last_sent = done[-1].entry
        for item in done:
            self._stamper.was_sent(item.entry)
        self._store.remove(done)
        self._acknowledged([item.entry for item in done if not item.is_probe])

    def _take_new(self) -> None:
        """Take over what was submitted. From a source that can wait, only what can be sent at once."""
        most = len(self._waiting)
        if self._can_wait:
            is_up = self._link is not None and self._link.is_connected
            room = self._room_in_flight() if is_up and not self._store.has_spooled and not self._store.in_memory else 0
            most = min(most, room)
        for _ in range(most):
            self._store.add(self._waiting.popleft())
        self._room.set()

    def _room_in_flight(self) -> int:
        """How many messages can be sent: one until a broker has told its time, as its timestamp could be wrong."""
        return (MOST_IN_FLIGHT if self._stamper.clock.is_confirmed else 1) - len(self._in_flight)

    def _open_link(self) -> None:
        if self._link is not None or time.monotonic() < self._next_try_s:
            return
        if self._old_link is not None:
            old, until_s = self._old_link
            if not old.wait(0) and time.monotonic() < until_s:
                return
            self._old_link = None
        self._link = Link(self._connect, self._wake.set)

    def _send(self) -> None:
        """Send spooled readings a portion at a time, and new ones only if there are none."""
        if self._link is None or not self._link.is_connected:
            return
        room = self._room_in_flight()
        if self._store.has_spooled:
            room = min(room, FROM_SPOOL) if not self._in_flight else 0
        items = self._store.take(room, as_probe=not self._stamper.clock.is_confirmed) if room > 0 else []
        if self.clock_state is not ClockState.WRONG:
            self._next_probe_s = None
        elif self._next_probe_s is None:
            self._next_probe_s = time.monotonic() + PROBE_S
        elif not items and not self._in_flight and time.monotonic() >= self._next_probe_s:
            self._next_probe_s = None
            items = self._probe()
        self._stamper.latest.keep()
        if items:
            self._store.write_events()  # a reader knows of every reading that can be in Kafka
        for item in items:
            item.sent, item.sent_s = self._link.send(item.entry.key, item.entry.message), time.monotonic()
            self._in_flight.append(item)

    def _probe(self) -> list[Item]:
        """The last message again, or else the oldest reading: the broker's clock could have been the wrong one."""
        if self._last_sent is None:
            return self._store.take(1, as_probe=True)
        return [Item(self._last_sent, time.monotonic(), is_on_disk=True, is_probe=True)]

    def _lost(self, reason: object) -> None:
        """Give up what is not acknowledged, and make a new producer after a wait."""
        self._next_try_s = time.monotonic() + self.kafka.failed(reason)
        self._give_up_link()

    def _give_up_link(self) -> None:
        if self._link is not None:
            self._link.close()
            self._old_link = self._link, time.monotonic() + CLOSING_S
            self._link = None
        self._store.put_back(self._in_flight)
        self._in_flight.clear()
