"""Runs the pipeline until every reading is stored, and counts what became of the readings."""

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from kafka.errors import KafkaError

from onebox import audit
from onebox.display import SCREEN, StageLines, say
from onebox.home import NODE, Home
from onebox.ledger import Ledger
from onebox.process import Service
from onebox.stages import Stages, check_set_up, started
from sensorpi.common.errors import UserError
from sensorpi.pipeline.influx.client import INFLUXDB_ERRORS, reader_client

_log = logging.getLogger(__name__)

#: Seconds between two queries for new readings, which are part of every measured latency.
POLL_S = 0.05
#: Seconds between two counts of the readings of a recording at full speed, which should not slow down InfluxDB.
COUNT_S = 0.5
#: The drain gives up when nothing has arrived for this long.
DRAIN_PATIENCE_S = 60.0

_ERRORS = (*INFLUXDB_ERRORS, KafkaError)


class Interrupted:
    """Ctrl-C or SIGTERM. During the start it stops everything; later it stops the sensor and drains; twice, at once."""

    def __init__(self) -> None:
        self.times = 0
        self.starting = True
        signal.signal(signal.SIGINT, self._handle)
        signal.signal(signal.SIGTERM, self._handle)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.times += 1
        if self.starting:
            self.starting = False
            raise KeyboardInterrupt


def run(options: argparse.Namespace) -> int:
    """Run the pipeline. Returns 0 if no reading was lost or stored twice.

    Raises UserError for a user's mistake, KeyboardInterrupt when it is stopped before everything is ready.
    """
    begun_s = time.monotonic()
    check_set_up()
    home = Home()
    recorded_range_ms, rows = _recorded(options)
    lock = home.lock()
    if lock is None:
        raise UserError(f"{home.path} is in use: another `make run` is running; stop that one first")
    interrupted = Interrupted()
    home.remove_endpoints()  # those of a run that was killed
    try:
        stages = started(home, options.rate, lock, dashboard_range_ms=recorded_range_ms)
        try:
            interrupted.starting = False
            return _Run(options, stages, interrupted, begun_s, rows).run()
        finally:
            say("Stopping …")
            stages.stop()
    finally:
        interrupted.starting = False
        lock.close()


def _recorded(options: argparse.Namespace) -> tuple[tuple[int, int] | None, int | None]:
    """Check a recording before anything starts.

    Returns the range that the dashboard shows first, and the number of rows.
    """
    if options.replay is None:
        return None, None
    from sensorpi.sensor.recordings.recording import check_recording

    original = options.timestamps == "original"
    oldest_ms, newest_ms, rows = check_recording(Path(options.replay), options.map, original)
    return (oldest_ms, newest_ms) if original else None, rows


class _Run:
    def __init__(
        self, options: argparse.Namespace, stages: Stages, interrupted: Interrupted, started: float, rows: int | None
    ) -> None:
        """``rows`` is how many readings there will be, for a recording."""
        self._options = options
        self._stages = stages
        self._interrupted = interrupted
        self._started = started
        self._ledger = Ledger()
        self._client = reader_client(stages.endpoint, stages.credentials)
        self._dead_letters = audit.DeadLetterWatch(stages.cluster.bootstrap_servers)
        self._lines = StageLines(self._ledger, rows)
        self._full_speed = options.speed == "max"

    def run(self) -> int:
        sensor = self._start_sensor()
        try:
            return self._run(sensor)
        except _ERRORS as error:
            raise UserError(f"the stored readings cannot be counted: {error}") from error
        finally:
            sensor.close()
            self._client.close()
            self._dead_letters.close()

    def _run(self, sensor: Service) -> int:
        say(f"\n  The dashboard is at {self._stages.dashboard_url}   (Ctrl-C stops everything)\n")
        self._watch(sensor, lambda: sensor.exit_status is not None or self._interrupted.times > 0)
        if sensor.exit_status is None:
            sensor.stop(grace_s=15)
        elif sensor.exit_status != 0:
            log = self._stages.home.logs / "sensor.log"
            raise UserError(f"the sensor ended with status {sensor.exit_status}; see {log}")
        self._events.join(timeout=10)
        self._drain()
        summary = self._summary()
        self._report(summary)
        if self._stays_up():
            say("  The recording has ended; the dashboard keeps running until Ctrl-C.\n")
            self._watch(sensor, lambda: self._interrupted.times > 0)
        return 0 if summary["lost"] == 0 and summary["duplicated"] == 0 else 1

    def _start_sensor(self) -> Service:
        reading_end, writing_end = os.pipe()
        options = self._options
        argv = [str(Path(sys.executable).with_name("sensorpi")), "sensor", "run", "--board", "emulated",
                "--bootstrap-servers", self._stages.cluster.bootstrap_servers, "--host", NODE,
                "--rate", str(options.rate), "--state-directory", str(self._stages.home.path / "sensor"),
                "--events", str(writing_end)]  # fmt: skip
        if options.for_s is not None:
            argv += ["--for", str(options.for_s)]
        if options.replay is not None:
            argv += ["--replay", options.replay, "--speed", options.speed, "--timestamps", options.timestamps]
            argv += ["--map", options.map] if options.map else []
        environment = os.environ | {"SENSORPI_CONFIG": str(self._stages.home.config)}
        files = [writing_end, *self._stages.inherited_files]
        sensor = Service("sensor", argv, self._stages.home.logs / "sensor.log", environment, files)
        sensor.start()
        os.close(writing_end)
        events = os.fdopen(reading_end, encoding="utf-8")
        self._events = threading.Thread(
            target=self._ledger.follow, args=(events, not self._full_speed), name="events", daemon=True
        )
        self._events.start()
        return sensor

    def _watch(self, sensor: Service, done: Callable[[], bool]) -> None:
        """Monitor everything until ``done``, and measure when new readings can be queried."""
        while not done():
            self._stages.watch()
            self._see_new()
            # The sensor's status begins with counts, which we have ourselves; problems follow.
            self._lines.show(self._stages.services, sensor.status.partition("; ")[2])
            time.sleep(POLL_S)

    def _see_new(self) -> None:
        with contextlib.suppress(*_ERRORS):  # the job logs an outage, and readings that come later count as late
            audit.see_new(self._client, self._ledger)

    def _drain(self) -> None:
        """Wait until every reading is stored or dead-lettered, or nothing more arrives."""
        arrived, since = 0, time.monotonic()
        while self._interrupted.times < 2:
            self._stages.watch()
            self._see_new()
            with contextlib.suppress(*_ERRORS):
                self._dead_letters.poll(self._ledger.boots)
                now_there = audit.count(self._client, self._ledger) + self._dead_letters.count
                if now_there >= self._ledger.readings:
                    self._see_new()  # those that arrived since the last query
                    return
                if now_there != arrived:
                    arrived, since = now_there, time.monotonic()
            if time.monotonic() - since > DRAIN_PATIENCE_S:
                say(f"  Nothing has arrived for {DRAIN_PATIENCE_S:.0f} s.")
                return
            self._lines.show(self._stages.services, "draining")
            time.sleep(COUNT_S if self._full_speed else POLL_S)

    def _summary(self) -> dict[str, Any]:
        stored = audit.stored(self._client, self._ledger)
        self._dead_letters.poll(self._ledger.boots)
        return {
            "readings": self._ledger.readings,
            "acknowledged": self._ledger.acknowledged,
            "stored": stored.readings,
            "duplicated": stored.duplicated,
            "dead_lettered": self._dead_letters.count,
            "lost": self._ledger.readings - stored.readings - self._dead_letters.count,
            "latency_ms": None if self._full_speed else self._ledger.latency_ms(),
            "elapsed_s": round(time.monotonic() - self._started, 1),
        }

    def _report(self, summary: dict[str, Any]) -> None:
        self._lines.show(self._stages.services, "", at_once=True)
        SCREEN.keep()
        if self._dead_letters.others:
            say(f"  {self._dead_letters.others} messages from other senders went to the dead-letter topic.")
        if self._options.json:
            print(json.dumps(summary), flush=True)
            return
        latency = summary["latency_ms"]
        say(
            f"\n  {summary['readings']} readings, {summary['stored']} stored, {summary['duplicated']} twice,"
            f" {summary['dead_lettered']} dead-lettered, {summary['lost']} lost"
            + (f"; queryable after {latency['p50']:.0f} ms (99 %: {latency['p99']:.0f} ms)" if latency else "")
        )

    def _stays_up(self) -> bool:
        options = self._options
        by_itself = options.json or options.for_s is not None or not sys.stdin.isatty()
        return options.replay is not None and not by_itself and self._interrupted.times == 0
