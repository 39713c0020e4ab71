"""The job's own figures and events, written to InfluxDB for the dashboards."""

import logging
import time

from influxdb import InfluxDBClient

from sensorpi.pipeline.influx.client import DATABASE, EVENTS, INFLUXDB_ERRORS, PIPELINE, RAW
from sensorpi.pipeline.job.batch import BatchResult

_log = logging.getLogger(__name__)

#: At most one point per second, although batches can be shorter.
INTERVAL_S = 1.0


class Figures:
    """Adds up batches and writes their figures. A figure that cannot be written is dropped."""

    def __init__(self, client: InfluxDBClient, host: str) -> None:
        self._client = client
        self._host = host
        self._written = 0.0
        self._sums = {"stored": 0, "dead_lettered": 0, "refused": 0, "lost": 0}

    def batch(self, result: BatchResult, lag: float | None) -> None:
        """Count a settled batch; ``lag`` is the number of Kafka messages that wait after it, if known."""
        for name in self._sums:
            self._sums[name] += getattr(result, name)
        if time.monotonic() - self._written < INTERVAL_S:
            return
        fields: dict[str, float] = {**self._sums, "batch_ms": result.seconds * 1000}
        if result.newest_ms:
            fields["late_ms"] = max(0.0, time.time() * 1000 - result.newest_ms)
        if lag is not None:
            fields["lag"] = lag
        self._write({"measurement": PIPELINE, "tags": {"host": self._host}, "fields": _floats(fields)})
        self._sums = dict.fromkeys(self._sums, 0)
        self._written = time.monotonic()

    def lost(self, messages: int) -> None:
        """Count messages that Kafka deleted while the job did not run. They are written with the next batch."""
        self._sums["lost"] += messages

    def event(self, kind: str, text: str) -> None:
        """Write an event, for the dashboards' annotations."""
        self._write({"measurement": EVENTS, "tags": {"kind": kind}, "fields": {"text": text}})

    def _write(self, point: dict[str, object]) -> None:
        point["time"] = int(time.time() * 1000)
        try:
            self._client.write_points([point], time_precision="ms", database=DATABASE, retention_policy=RAW)
        except INFLUXDB_ERRORS as error:
            _log.debug("figures are not stored: %s", error)


def _floats(fields: dict[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in fields.items()}
