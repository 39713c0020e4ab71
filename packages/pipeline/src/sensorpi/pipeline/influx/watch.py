"""Restarts InfluxDB when it does not recover by itself.

After its disk was full, InfluxDB 1.x refuses the writes to each shard that could not be written then until it is
restarted. When its disk is read-only at its start, it neither listens nor ends, also when the disk is writable again.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests
from influxdb import InfluxDBClient
from influxdb.exceptions import InfluxDBClientError, InfluxDBServerError

from sensorpi.common.daemon import service
from sensorpi.common.daemon.outage import backoff_s
from sensorpi.pipeline.influx.client import DATABASE, RAW, WATCH, WRITER, Endpoint, fault, open_client
from sensorpi.pipeline.influx.influxd import Disk, Influxd, find_influxd

_log = logging.getLogger(__name__)

#: Between two looks at process and disk, which write nothing.
LOOK_S = 5.0
#: Between two test writes while all is well: rare, to spare the SD card.
WRITE_S = 60.0
#: How long it may refuse writes, or not answer and not use the processor, while its disk is good.
REFUSES_S, SILENT_S = 30.0, 15.0
#: The part of one processor's time above which it is not hung: it reads its data, or executes a long query.
BUSY = 0.02
#: Between two restarts. The first wait applies again when InfluxDB has been well for that long.
FIRST_WAIT_S, LONGEST_WAIT_S = 30.0, 3600.0
_DAY_S = 86400


class Refused(Exception):
    """InfluxDB refuses a good point because of a problem of its own."""


class Silent(Exception):
    """InfluxDB does not answer."""


@dataclass
class Watch:
    """Call ``look`` every ``LOOK_S`` seconds. If InfluxDB was stopped on purpose, nothing is done."""

    #: As it is called in the log.
    name: str
    #: A test write. Raises Refused or Silent.
    write: Callable[[], None]
    find: Callable[[], Influxd | None]
    disk: Callable[[], Disk]
    now_s: Callable[[], float] = time.monotonic
    _process: Influxd | None = None
    _looked_s: float = 0.0
    _next_write_s: float = 0.0
    #: The disk could not be written to while this process ran.
    _disk_refused: bool = False
    #: The kind of trouble that lasts, and since when.
    _trouble: type[Exception] | None = None
    _trouble_since_s: float = 0.0
    #: What was logged, and since when. None: it is well, since then.
    _down: str | None = None
    _since_s: float = 0.0
    _next_restart_s: float = 0.0
    _waits_s: Iterator[float] = field(default_factory=lambda: backoff_s(FIRST_WAIT_S, LONGEST_WAIT_S))

    @property
    def status(self) -> str:
        """One line for `systemctl status`."""
        if self._process is None:
            return "InfluxDB does not run"
        return self._down or "InfluxDB stores points"

    def look(self) -> None:
        """Look once at process and disk, test a write when it is time to, and restart InfluxDB if it needs it."""
        now_s = self.now_s()
        before, elapsed_s = self._process, now_s - self._looked_s
        process = self.find()
        self._process, self._looked_s = process, now_s
        if process is None or before is None or process.started != before.started:
            self._disk_refused, self._trouble, self._next_write_s = False, None, now_s
        if process is None or process.is_stopped:
            self._trouble = None
            return
        disk = self.disk()
        if disk.problem is not None:
            self._disk_refused |= disk.refuses
            self._trouble = None
            self._went_down(disk.problem)
        elif self._disk_refused:
            self._restart(process, "its disk is writable again, but it may still refuse writes")
        elif self._down is not None or now_s >= self._next_write_s:
            is_busy = before is not None and process.cpu_s - before.cpu_s > BUSY * elapsed_s
            self._test(process, is_busy)

    def _test(self, process: Influxd, is_busy: bool) -> None:
        try:
            self.write()
        except (Refused, Silent) as error:
            self._lasts(process, error, is_busy)
        else:
            self._next_write_s = self.now_s() + WRITE_S
            self._trouble = None
            self._came_back()

    def _lasts(self, process: Influxd, error: Refused | Silent, is_busy: bool) -> None:
        now_s = self.now_s()
        self._next_write_s = now_s
        is_hung = isinstance(error, Silent)
        if self._trouble is not type(error) or (is_hung and is_busy):
            self._trouble, self._trouble_since_s = type(error), now_s
        elif now_s - self._trouble_since_s >= (SILENT_S if is_hung else REFUSES_S):
            self._went_down(str(error))
            self._restart(process, str(error))

    def _restart(self, process: Influxd, reason: str) -> None:
        now_s = self.now_s()
        if now_s < self._next_restart_s:
            return
        wait_s = next(self._waits_s)
        self._next_restart_s = now_s + wait_s
        _log.warning("%s is killed to be restarted: %s. Not again within %.0f s.", self.name, reason, wait_s)
        process.kill()

    def _went_down(self, reason: str) -> None:
        now_s = self.now_s()
        if self._down is None:
            if now_s - self._since_s >= FIRST_WAIT_S:
                self._waits_s = backoff_s(FIRST_WAIT_S, LONGEST_WAIT_S)
            self._since_s = now_s
            _log.warning("%s cannot store points: %s.", self.name, reason)
        self._down = reason

    def _came_back(self) -> None:
        now_s = self.now_s()
        if self._down is not None:
            _log.warning("%s stores points again after %.0f s.", self.name, now_s - self._since_s)
            self._down, self._since_s = None, now_s


def watch(endpoint: Endpoint, writer_password: str, data: Path, is_ours: Callable[[], bool]) -> None:
    """Watch the InfluxDB that keeps its data in a folder, until SIGTERM. It is left alone unless ``is_ours``."""
    stop: threading.Event = service.stop_on_signals()
    client = open_client(endpoint, WRITER, writer_password, timeout_s=5.0)
    watched = Watch(
        name=f"InfluxDB at {endpoint}",
        write=lambda: write_probe(client),
        find=lambda: find_influxd() if is_ours() else None,
        disk=lambda: Disk.of(data),
    )
    service.notify(ready=True)
    while not stop.is_set():
        watched.look()
        service.notify(status=watched.status, watchdog=True)
        stop.wait(LOOK_S)
    service.notify(stopping=True)
    client.close()


def write_probe(client: InfluxDBClient) -> None:
    """Write one point for each day, over and over. Raises Refused or Silent.

    A wrong password, a missing database or an answer about the point itself raises nothing: no restart would help.
    """
    try:
        client.write(
            [f"{WATCH} writable=1 {int(time.time()) // _DAY_S * _DAY_S}"],
            {"db": DATABASE, "rp": RAW, "precision": "s"},
            protocol="line",
        )
    except InfluxDBServerError as error:
        raise Refused(fault(error)) from error
    except requests.RequestException as error:
        raise Silent(f"it does not answer ({fault(error)})") from error
    except InfluxDBClientError as error:
        _log.debug("The test write says nothing about the disk: %s", fault(error))
