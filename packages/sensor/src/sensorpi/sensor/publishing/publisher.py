"""Holds each reading until Kafka acknowledges it: in memory while the broker answers, else in the spool.

Order is kept: while the spool holds anything, new readings go behind it. A message that was given up
may be in Kafka all the same and is then there twice, which the database makes one again.
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

#: Seconds that a message may be on its way before the producer is given up.
DEADLINE_S = 10.0
#: Messages on their way at once; and readings in memory that the thread has not taken yet.
MOST_ON_THE_WAY, MOST_WAITING = 5_000, 1_000
#: Readings kept in memory when the spool's disk fails.
MOST_IN_MEMORY = 10_000
FROM_SPOOL = 500


@dataclass(slots=True)
class _OnTheWay:
    entry: Entry
    future: Pending
    sent_s: float
    spool_id: int | None  # None: not in the spool


class Publisher:
    """A thread that brings entries to Kafka. ``submit`` lets its caller wait while it has more than it can carry."""

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
        """``can_wait``: the source waits while Kafka is away, so nothing needs spooling that is not on its way.

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
        self._on_the_way: deque[_OnTheWay] = deque()
        self._said_dropped = False
        self._wake, self._room = threading.Event(), threading.Event()
        self._ending_s: float | None = None
        self._progress_s = 0.0
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def submit(self, entry: Entry, regardless: bool = False) -> bool:
        """Hand an entry over; False when there was no room for a while. Raises what ended the thread.

        ``regardless`` of room is for the last one before a stop.
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
        """Raise what ended the thread, if anything did."""
        if self._failure is not None:
            raise self._failure

    @property
    def waiting(self) -> int:
        """Readings that Kafka has not acknowledged, on disk and in memory."""
        fresh = sum(message.spool_id is None for message in tuple(self._on_the_way))
        return len(self._waiting) + len(self._unspooled) + fresh + len(self._spool)

    def close(self, drain_s: float, see_through: bool = False) -> None:
        """Deliver what is left, or after ``drain_s`` seconds put it on disk; then end.

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
        """How long nothing can happen unless somebody wakes the thread."""
        return 0.1 if self._ending_s is not None or self._producer is None else 0.5

    def step(self) -> None:
        """One round: acknowledgements, deadline, connection, then whatever may be sent."""
        now_s = time.monotonic()
        self._collect()
        if self._on_the_way and now_s - self._on_the_way[0].sent_s > self._deadline_s:
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
        done: list[_OnTheWay] = []
        failure: BaseException | None = None
        while self._on_the_way and self._on_the_way[0].future.is_done:
            if not self._on_the_way[0].future.succeeded():
                failure = self._on_the_way[0].future.exception
                break
            done.append(self._on_the_way.popleft())
        if done:
            self._delivered(done)
        if failure is not None:
            self._lost(failure)

    def _delivered(self, done: list[_OnTheWay]) -> None:
        self.kafka.succeeded()
        if self._ending_s is not None:
            self._ending_s = max(self._ending_s, time.monotonic() + self._progress_s)
        if done[-1].spool_id is not None:
            try:
                self._spool.remove(done[-1].spool_id)
            except OSError as error:
                self._disk.failed(error)  # they will be sent again
        self._acknowledged([message.entry for message in done])

    def _send(self) -> None:
        """Spooled entries first; new ones directly only when there are none."""
        if len(self._spool) or self._producer is None:
            if not self._can_wait or (self._ending_s is not None and time.monotonic() > self._ending_s):
                self._keep(self._take(MOST_WAITING))
            if self._producer is not None and not self._on_the_way:
                self._send_spooled()
            return
        if self._on_the_way and self._on_the_way[-1].spool_id is not None:
            return
        room = MOST_ON_THE_WAY - len(self._on_the_way)
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
        future = self._producer.send(entry.sensor.encode(), entry.message, self._wake.set)
        self._on_the_way.append(_OnTheWay(entry, future, time.monotonic(), spool_id))

    def _take(self, most: int) -> list[Entry]:
        entries = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        self._room.set()
        return entries

    def _lost(self, reason: object) -> None:
        """Spool what is on its way, and make a new producer after a wait."""
        self._next_try_s = time.monotonic() + self.kafka.failed(reason)
        self._give_up_producer()

    def _give_up_producer(self) -> None:
        if self._producer is not None:
            self._producer.close()
            self._producer = None
        fresh = [message.entry for message in self._on_the_way if message.spool_id is None]
        self._on_the_way.clear()
        if self._ending_s is not None and time.monotonic() > self._ending_s:
            fresh += [*self._unspooled, *self._take(len(self._waiting))]
            self._unspooled.clear()
        self._keep(fresh, in_front=True)

    def _keep(self, entries: list[Entry], in_front: bool = False) -> None:
        """Onto the disk; in memory, within bounds, when the disk fails."""
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
                if not self._said_dropped:
                    self._said_dropped = True
                    log.warning(
                        "neither Kafka nor the disk takes readings, %d are in memory: the oldest go", MOST_IN_MEMORY
                    )
        else:
            self._disk.succeeded()
            self._spooled(len(self._unspooled))
            self._unspooled.clear()
