"""How long it takes, after the end of a fault, until readings that were taken after it are stored again."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from influxdb.line_protocol import quote_literal

from onebox.ledger import ReadingId
from sensorpi.common.reading import FIELDS
from sensorpi.pipeline.influx.client import INFLUXDB_ERRORS, RAW, READER, READINGS, Endpoint, open_client
from tests.chaos.ledger import Taken
from tests.chaos.schedule import SENSORS, Fault

#: A sensor that is not back by then is called silent, and not waited for until it is back.
PATIENCE_S = 120.0
_POLL_S = 0.25
_ANSWER_S = 1.0
#: As many readings of a sensor are asked for.
_MOST = 200


@dataclass(frozen=True)
class Recovered:
    """Faults whose effects are over: ``seconds`` after the end of the last of them, except for ``silent`` sensors."""

    faults: Sequence[Fault]
    seconds: float
    silent: Sequence[str] = ()


@dataclass
class Recovery:
    """Waits for one recovery at a time: that from all faults since the last one."""

    #: Which of some readings of a host are stored.
    stored: Callable[[str, Sequence[Taken]], set[ReadingId]]
    _pending: list[Fault] = field(default_factory=list)
    _since_s: float = 0.0
    _readings: dict[str, list[Taken]] = field(default_factory=lambda: {sensor: [] for sensor in SENSORS})
    _back: set[str] = field(default_factory=set)
    _silent: set[str] = field(default_factory=set)
    _next_s: float = 0.0

    def ended(self, fault: Fault) -> None:
        """A fault is over, so the recovery begins now."""
        self._pending.append(fault)
        self._since_s = time.monotonic()
        self._back.clear()
        for readings in self._readings.values():
            readings.clear()

    def taken(self, readings: Iterable[Taken]) -> None:
        """Readings that were taken, or have got a time."""
        for reading in readings:
            if self._pending and reading.taken_s > self._since_s and self._counts(reading):
                kept = self._readings[reading.host]
                if len(kept) < _MOST:
                    kept.append(reading)

    def _counts(self, reading: Taken) -> bool:
        """After a fault of a board, a reading counts when every chip is back."""
        board = any(fault.kind == "i2c" and fault.target == reading.host for fault in self._pending)
        return reading.timestamp_ms is not None and (not board or reading.values.keys() >= set(FIELDS))

    @property
    def pending(self) -> bool:
        """Whether something has not recovered yet."""
        return bool(self._pending)

    def poll(self) -> Recovered | None:
        """Ask InfluxDB, while no fault lasts; the recovery when all sensors are back."""
        now_s = time.monotonic()
        if not self._pending or now_s < self._next_s:
            return None
        for sensor in set(SENSORS) - self._back:
            kept = self._readings[sensor]
            if kept and self.stored(sensor, kept):
                self._back.add(sensor)
        now_s = time.monotonic()
        self._next_s = now_s + _POLL_S
        self._silent -= self._back
        if now_s - self._since_s > PATIENCE_S:
            self._silent |= set(SENSORS) - self._back
        if self._back | self._silent != set(SENSORS):
            return None
        recovered = Recovered(tuple(self._pending), round(now_s - self._since_s, 1), tuple(sorted(self._silent)))
        self._pending.clear()
        return recovered


def in_influxdb(endpoint: Endpoint, reader_password: str) -> Callable[[str, Sequence[Taken]], set[ReadingId]]:
    """``Recovery.stored`` by a query, which finds nothing while InfluxDB does not answer."""

    def stored(host: str, readings: Sequence[Taken]) -> set[ReadingId]:
        times = [reading.timestamp_ms or 0 for reading in readings]
        query = (
            f'SELECT "boot", "sequence" FROM "{RAW}"."{READINGS}" WHERE "host" = {quote_literal(host)}'
            f" AND time >= {min(times)}ms AND time <= {max(times)}ms GROUP BY *"
        )
        client = open_client(endpoint, READER, reader_password, timeout_s=_ANSWER_S)
        try:
            found = {
                ReadingId(tags["sensor"], point["boot"], int(point["sequence"]))
                for (_, tags), points in client.query(query, epoch="ms").items()
                for point in points
                if point["sequence"] is not None
            }
        except INFLUXDB_ERRORS:
            return set()
        finally:
            client.close()
        return found & {reading.reading for reading in readings}

    return stored
