"""A publisher in a process that a test kills. Files say when each reading was taken, and which Kafka has."""

import json
import logging
import os
import struct
import time
from pathlib import Path
from random import Random

from sensorpi.common.daemon.outage import Outage
from sensorpi.common.reading import Reading
from sensorpi.sensor.publishing.events import Events
from sensorpi.sensor.publishing.producer import Settled, UnreachableError
from sensorpi.sensor.publishing.publisher import Publisher
from sensorpi.sensor.publishing.spool import Spool
from sensorpi.sensor.publishing.store import Store
from sensorpi.sensor.stamping.clock import Clock
from sensorpi.sensor.stamping.entry import Entry
from sensorpi.sensor.stamping.stamps import LatestTimestamps, Stamper

#: How the brokers fail: they do not answer, a call of kafka-python blocks, or it fails.
OUTAGES = ("silent", "send blocks", "send fails", "connect blocks", "connect fails", "messages fail")
TAKEN = struct.Struct("<qd")


class Kafka:
    """Brokers that fail after a while, and a producer for them."""

    def __init__(self, outage: str, begins_s: float, acknowledged: int) -> None:
        self._outage, self._begins_s, self._file = outage, begins_s, acknowledged

    @property
    def _is_down(self) -> bool:
        return time.monotonic() >= self._begins_s

    def connect(self) -> "Kafka":
        if self._outage == "connect blocks" and self._is_down:
            time.sleep(3600)
        if self._outage == "connect fails" and self._is_down:
            raise UnreachableError("connection refused")
        return self

    def send(self, _key: bytes, value: bytes, settled: Settled) -> None:
        if not self._is_down:
            os.write(self._file, struct.pack("<q", json.loads(value)["sequence"]))
            settled(time.time_ns() // 1_000_000, None)
        elif self._outage == "send blocks":
            time.sleep(3600)
        elif self._outage == "messages fail":
            settled(None, TimeoutError("timed out"))
        elif self._outage != "silent":
            raise UnreachableError("no leader")

    def close(self) -> None:
        if self._outage == "silent":
            time.sleep(3)


def run(directory: Path, seed: int) -> None:
    """Take 50 readings in a second until killed. The seed decides how and when the brokers fail."""
    random = Random(seed)
    logging.disable()
    taken = os.open(directory / "taken", os.O_WRONLY | os.O_CREAT)
    acknowledged = os.open(directory / "acknowledged", os.O_WRONLY | os.O_CREAT)
    kafka = Kafka(OUTAGES[seed % len(OUTAGES)], time.monotonic() + random.uniform(0, 1), acknowledged)
    stamper = Stamper(Clock(trusted=True), LatestTimestamps(None, directory), "0f")
    store = Store(Spool(directory), stamper, Events(None))
    down = Outage("Kafka", logging.getLogger(), longest_s=5.0)
    publisher = Publisher(kafka.connect, store, stamper, down, can_wait=False, acknowledged=lambda _entries: None)
    publisher.start()
    for sequence in range(1, 1_000_000):
        message = Reading("S", "h", "b", sequence, sequence, {}).to_json()
        os.write(taken, TAKEN.pack(sequence, time.monotonic()))
        publisher.submit(Entry("S", "b", sequence, message))
        time.sleep(0.02)
