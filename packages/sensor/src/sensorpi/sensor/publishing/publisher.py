"""Keeps each reading until Kafka acknowledges it: in memory while a broker answers, else in the spool.

The order is kept: while there are readings in the spool, new ones are added after them. A message that was given up
may be in Kafka all the same, and is then sent twice; the database stores it once.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sensorpi.common.daemon.outage import Outage
from sensorpi.sensor.publishing.producer import Pending, Producer, UnreachableError
from sensorpi.sensor.publishing.spool import Entry, Spool

log = logging.getLogger(__name__)

#: The maximum time for an acknowledgement, in seconds. After that the producer is replaced.
DEADLINE_S = 10.0
#: The maximum numbers of messages that are not acknowledged, and of readings that the thread has not taken yet.
MOST_IN_FLIGHT, MOST_WAITING = 5_000, 1_000
#: The maximum number of readings in memory while the spool's disk fails.
MOST_IN_MEMORY = 10_000
#: How many readings are read from the spool at once.
FROM_SPOOL = 500


@dataclass(slots=True)
class _InFlight:
    entry: Entry
    future: Pending
    sent_s: float
    spool_id: int | None  # None: not in the spool


class Publisher:
    """A thread that sends entries to Kafka. ``submit`` makes its caller wait while too many entries are queued."""

    def __init__(
        self,
        connect: Callable[[], Producer],
        spool: Spool,
        kafka: Outage,
        *,
        can_wait: bool,
        acknowledged: Callable[[list[Entry]], None],
        spooled: Callable[[int], None],
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """``can_wait``: the source waits while Kafka is unavailable, so only messages that were sent need spooling.

        ``acknowledged`` and ``spooled`` are called from the publisher's thread.
        """
        self._connect, self._spool, self.kafka = connect, spool, kafka
        self._can_wait, self._acknowledged, self._spooled = can_wait, acknowledged, spooled
        self._deadline_s = deadline_s
        self._disk = Outage(str(spool.path), log)
        self._producer: Producer | None = None
        self._next_try_s = 0.0
        self._next_disk_try_s = 0.0
        self._waiting: deque[Entry] = deque()
        self._unspooled: deque[Entry] = deque()
        self._in_flight: deque[_InFlight] = deque()
        self._dropping_is_logged = False
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
    def waiting(self) -> int:
        """How many readings Kafka has not acknowledged, on disk and in memory."""
        new = sum(message.spool_id is None for message in tuple(self._in_flight))
        return len(self._waiting) + len(self._unspooled) + new + len(self._spool)

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
                self._wake.wait(self._pause_s())
                self._wake.clear()
                self.step()
            self._give_up_producer()
            self._spool.close()
        except BaseException as error:
            self._failure = error
            self._room.set()
            log.exception("the publisher failed")

    def _finished(self) -> bool:
        return self._ending_s is not None and (not self.waiting or time.monotonic() > self._ending_s)

    def _pause_s(self) -> float:
        """How long the thread can sleep unless it is woken."""
        return 0.1 if self._ending_s is not None or self._producer is None else 0.5

    def step(self) -> None:
        """One round: acknowledgements, deadline, connection, and what can be sent."""
        now_s = time.monotonic()
        self._collect()
        if self._in_flight and now_s - self._in_flight[0].sent_s > self._deadline_s:
            self._lost(f"no acknowledgement within {self._deadline_s:g} s")
        if self._producer is None and now_s >= self._next_try_s and (self._waiting or self.waiting):
            self._try_connecting()
        try:
            self._send()
        except UnreachableError as error:
            self._lost(error)

    def _try_connecting(self) -> None:
        try:
            self._producer = self._connect()
        except UnreachableError as error:
            self._next_try_s = time.monotonic() + self.kafka.failed(error)

    def _collect(self) -> None:
        done: list[_InFlight] = []
        failure: BaseException | None = None
        while self._in_flight and self._in_flight[0].future.is_done:
            if not self._in_flight[0].future.succeeded():
                failure = self._in_flight[0].future.exception
                break
            done.append(self._in_flight.popleft())
        if done:
            self._delivered(done)
        if failure is not None:
            self._lost(failure)

    def _delivered(self, done: list[_InFlight]) -> None:
        self.kafka.succeeded()
        if self._ending_s is not None:
            self._ending_s = max(self._ending_s, time.monotonic() + self._progress_s)
        if done[-1].spool_id is not None:
            try:
                self._spool.remove(done[-1].spool_id)
            except OSError as error:
                self._disk.failed(error)  # these entries will be sent again
        self._acknowledged([message.entry for message in done])

    def _send(self) -> None:
        """Send spooled entries first, and new ones directly only if there are none."""
        if len(self._spool) or self._producer is None:
            if not self._can_wait or (self._ending_s is not None and time.monotonic() > self._ending_s):
                self._keep(self._take(MOST_WAITING))
            if self._producer is not None and not self._in_flight:
                self._send_spooled()
            return
        if self._in_flight and self._in_flight[-1].spool_id is not None:
            return
        room = MOST_IN_FLIGHT - len(self._in_flight)
        for _ in range(min(room, len(self._unspooled))):
            self._hand_over(self._unspooled[0], None)
            self._unspooled.popleft()
        if not self._unspooled:
            for _ in range(min(room, len(self._waiting))):
                self._hand_over(self._waiting[0], None)
                self._waiting.popleft()
            self._room.set()

    def _send_spooled(self) -> None:
        if time.monotonic() < self._next_disk_try_s:
            return
        try:
            entries = self._spool.first(FROM_SPOOL)
        except OSError as error:
            self._next_disk_try_s = time.monotonic() + self._disk.failed(error)
            return
        for number, entry in entries:
            self._hand_over(entry, number)

    def _hand_over(self, entry: Entry, spool_id: int | None) -> None:
        if self._producer is None:
            raise UnreachableError("not connected")
        future = self._producer.send(entry.key, entry.message, self._wake.set)
        self._in_flight.append(_InFlight(entry, future, time.monotonic(), spool_id))

    def _take(self, most: int) -> list[Entry]:
        entries = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        self._room.set()
        return entries

    def _lost(self, reason: object) -> None:
        """Spool what is not acknowledged, and make a new producer after a wait."""
        self._next_try_s = time.monotonic() + self.kafka.failed(reason)
        self._give_up_producer()

    def _give_up_producer(self) -> None:
        if self._producer is not None:
            self._producer.close()
            self._producer = None
        new = [message.entry for message in self._in_flight if message.spool_id is None]
        self._in_flight.clear()
        if self._ending_s is not None and time.monotonic() > self._ending_s:
            new += [*self._unspooled, *self._take(len(self._waiting))]
            self._unspooled.clear()
        self._keep(new, in_front=True)

    def _keep(self, entries: list[Entry], in_front: bool = False) -> None:
        """Write entries to the spool, or keep a limited number in memory if the disk fails."""
        if in_front:
            self._unspooled.extendleft(reversed(entries))
        else:
            self._unspooled.extend(entries)
        if not self._unspooled or (time.monotonic() < self._next_disk_try_s and self._ending_s is None):
            return
        try:
            self._spool.append(self._unspooled)
        except OSError as error:
            self._next_disk_try_s = time.monotonic() + self._disk.failed(error)
            while len(self._unspooled) > MOST_IN_MEMORY:
                self._unspooled.popleft()
                if not self._dropping_is_logged:
                    self._dropping_is_logged = True
                    log.warning(
                        "neither Kafka nor the disk accepts readings, and %d are in memory: the oldest are dropped",
                        MOST_IN_MEMORY,
                    )
        else:
            self._disk.succeeded()
            self._spooled(len(self._unspooled))
            self._unspooled.clear()
