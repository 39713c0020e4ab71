"""`sensorpi sensor run`: takes readings and publishes them until it is stopped."""

import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.daemon.outage import Outage
from sensorpi.common.daemon.service import notify
from sensorpi.common.reading import Reading
from sensorpi.sensor.board.driver import EnviroPhat
from sensorpi.sensor.board.emulated.board import EmulatedBoard
from sensorpi.sensor.board.emulated.environment import Environment, Moment
from sensorpi.sensor.board.library import BoardMissingError, set_lgpio_directory
from sensorpi.sensor.board.real_board import RealBoard
from sensorpi.sensor.publishing.events import Events
from sensorpi.sensor.publishing.producer import KafkaReadingProducer, Producer
from sensorpi.sensor.publishing.publisher import Publisher
from sensorpi.sensor.publishing.spool import Spool
from sensorpi.sensor.publishing.store import Store
from sensorpi.sensor.recordings.progress import progress
from sensorpi.sensor.stamping.brokers_time import BrokersTime
from sensorpi.sensor.stamping.clock import TOLERANCE_S, Clock, ClockState
from sensorpi.sensor.stamping.entry import Entry, Taken
from sensorpi.sensor.stamping.held import take_held
from sensorpi.sensor.stamping.stamps import LatestTimestamps, Stamper, kernel_boot

log = logging.getLogger(__name__)

#: Seconds without progress after which a stop writes the rest to the spool.
DRAIN_S = 10.0
#: Seconds between two status lines, and the maximum time between two messages to the watchdog.
STATUS_S = 5.0


@dataclass(frozen=True)
class SensorConfig:
    """The settings of a run."""

    sensor: str
    host: str
    bootstrap_servers: tuple[str, ...]
    state_directory: Path
    runtime_directory: Path | None = None
    for_s: float | None = None
    cpu_heat: Callable[[dict[str, float]], None] | None = None
    clock_tolerance_s: float = TOLERANCE_S


class SensorService:
    """One run of the sensor; ``run`` does all of it."""

    def __init__(
        self,
        settings: SensorConfig,
        board: EmulatedBoard | RealBoard,
        environment: Environment,
        events: Events,
        stop: threading.Event,
        connect: Callable[[], Producer] | None = None,
    ) -> None:
        """``connect`` makes a producer; by default kafka-python's."""
        self._settings, self._board, self._environment = settings, board, environment
        self._events, self._stop = events, stop
        self._boot = uuid.uuid4().hex[:12]
        self._sequences: Counter[str] = Counter()
        self._taken = self._acknowledged = 0
        self._next_status_s = self._first_s = 0.0
        self._driver: EnviroPhat | None = None
        servers = settings.bootstrap_servers
        self._kernel_boot = kernel_boot()
        self._latest = LatestTimestamps(settings.runtime_directory, settings.state_directory)
        runtime = settings.runtime_directory
        clock = Clock(
            trusted=isinstance(board, EmulatedBoard),
            tolerance_s=settings.clock_tolerance_s,
            brokers_time=BrokersTime(runtime, self._kernel_boot) if runtime is not None else None,
        )
        stamper = Stamper(clock, self._latest, self._kernel_boot)
        notify(ready=True, status="reading the spool")  # which can be large
        self._store = Store(Spool(settings.state_directory), stamper, events)
        self._publisher = Publisher(
            connect or (lambda: KafkaReadingProducer(servers)),
            self._store,
            stamper,
            Outage(f"Kafka at {','.join(servers)}", log, longest_s=5.0),
            can_wait=environment.can_wait,
            acknowledged=self._count_acknowledged,
        )
        for entry in take_held(settings.state_directory, self._kernel_boot):
            self._publisher.submit(entry, regardless=True)

    def run(self) -> ExitCode:
        """Take readings until told to stop, or until the environment ends; return the exit status."""
        set_lgpio_directory()
        self._publisher.start()
        notify(ready=True)
        try:
            self._driver = self._wait_for_board()
            if self._driver is not None:
                self._take_readings(self._driver)
        finally:
            notify(stopping=True, status="stopping")
            if self._driver is not None:
                self._driver.close()
            self._close_publisher()
            self._latest.close()
        return self._report_end()

    def _report_end(self) -> ExitCode:
        spooled, lost = self._store.on_disk, self._store.lost
        directory = self._settings.state_directory
        if spooled:
            log.warning("%d readings wait in %s for the next start", spooled, directory)
        if self._store.has_unread_spool:
            log.warning("the readings that an earlier run left in %s could not be read", directory)
        if lost:
            log.error("%d readings are lost: neither Kafka nor the disk of %s took them", lost, directory)
        counts = {"readings": self._taken, "acknowledged": self._acknowledged, "spooled": spooled}
        self._events.emit("end", **counts, **({"lost": lost} if lost else {}))
        self._events.close()
        return ExitCode.FAILED if lost else ExitCode.OK

    def _close_publisher(self) -> None:
        """If told to stop, stop soon. At the end of a recording, deliver everything."""
        told = self._stop.is_set()
        drain_s = 0.0 if told and self._publisher.kafka.down else DRAIN_S
        self._publisher.close(drain_s, see_through=not told)

    def _wait_for_board(self) -> EnviroPhat | None:
        """The driver, as soon as there is a board; None if told to stop before."""
        outage = Outage("the board", log, longest_s=30.0)
        while not self._stop.is_set():
            try:
                driver = EnviroPhat(self._board, self._settings.cpu_heat)
            except BoardMissingError as error:
                wait_s = outage.failed(error)
                notify(status=f"no board: {error}")
                self._pause(time.monotonic() + wait_s)
            else:
                outage.succeeded()
                return driver
        return None

    def _take_readings(self, driver: EnviroPhat) -> None:
        self._first_s = first_s = time.monotonic()
        for moment in self._environment.moments():
            due_s = first_s + moment.due_s
            end_s = None if self._settings.for_s is None else first_s + self._settings.for_s
            if (end_s is not None and max(due_s, time.monotonic()) >= end_s) or self._pause(due_s):
                return
            if isinstance(self._board, EmulatedBoard):
                self._board.feel(moment)
            monotonic_ns = time.monotonic_ns()
            values = driver.read()
            self._publish(self._entry(moment, monotonic_ns, values))

    def _entry(self, moment: Moment, monotonic_ns: int, values: dict[str, float]) -> Entry:
        sensor, host = moment.sensor or self._settings.sensor, moment.host or self._settings.host
        if moment.fields is not None:
            values = {name: value for name, value in values.items() if name in moment.fields}
        if moment.extra:  # of a recording; everything else goes through the driver
            values = {**values, **moment.extra}
        self._sequences[sensor] += 1
        self._taken += 1
        timestamp_ms = moment.timestamp_ms
        reading = Reading(sensor, host, self._boot, self._sequences[sensor], timestamp_ms or 0, values)
        # A recorded time is right whatever the clock says, as is one that is relative to the recording's beginning.
        after_first_ms = moment.after_first_ms if timestamp_ms is None else 0
        taken = Taken(self._kernel_boot, monotonic_ns, after_first_ms)
        return Entry(sensor, self._boot, timestamp_ms, reading.to_json(), taken)

    def _publish(self, entry: Entry) -> None:
        while not self._publisher.submit(entry, regardless=self._stop.is_set()):
            self._show_status()

    def _pause(self, until_s: float) -> bool:
        """Wait until then, and feed the watchdog meanwhile; True if told to stop."""
        while not self._stop.is_set():
            self._show_status()
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return False
            self._stop.wait(min(left_s, STATUS_S))
        return True

    def _show_status(self) -> None:
        now_s = time.monotonic()
        if now_s < self._next_status_s:
            return
        self._next_status_s = now_s + STATUS_S
        self._publisher.check()
        if self._driver is None:
            notify(watchdog=True)
            return
        status = [f"{self._readings(now_s)}, {self._acknowledged} acknowledged"]
        on_disk, in_memory = self._publisher.on_disk, self._publisher.in_memory
        kafka, disk, clock = self._publisher.kafka, self._store.disk, self._publisher.clock_state
        status += [f"{outage.name} is down" for outage in (kafka, disk) if outage.down]
        if clock is not ClockState.GOOD:
            status.append(f"the clock is {clock.value}")
        if on_disk or kafka.down or disk.down or clock is not ClockState.GOOD:
            status.append(f"{on_disk + in_memory} readings wait, {on_disk} on the disk and {in_memory} in memory")
        status += [f"{name} is down" for name in self._driver.missing]
        notify(status="; ".join(status), watchdog=True)

    def _readings(self, now_s: float) -> str:
        total = self._environment.count
        if total is None:
            return f"{self._taken} readings"
        return progress(self._taken, total, self._taken / max(now_s - self._first_s, 0.001))

    def _count_acknowledged(self, entries: list[Entry]) -> None:
        """Count this run's readings, and not those that an earlier run left in the spool."""
        count = sum(entry.boot == self._boot for entry in entries)
        if count:
            self._acknowledged += count
            self._events.emit("acknowledged", count=self._acknowledged)
