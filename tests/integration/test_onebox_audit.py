"""The audit counts what is really in InfluxDB: a planted loss and a planted duplicate are seen."""

import uuid

import pytest

from onebox import audit
from onebox.ledger import Ledger, ReadingId
from sensorpi.pipeline.influx.client import DATABASE, RAW
from tests.integration.influx_fixture import InfluxServer

START_MS = 1_600_000_000_000


@pytest.fixture
def ledger() -> Ledger:
    """A run of ten readings of one sensor."""
    boot = uuid.uuid4().hex
    ledger = Ledger(readings=10, boots={boot}, sensors={"s"}, oldest_ms=START_MS + 1, newest_ms=START_MS + 10)
    for sequence in range(1, 11):
        ledger._unseen[ReadingId("s", boot, sequence)] = (START_MS + sequence, 0)
    return ledger


def store(server: InfluxServer, ledger: Ledger, sequence: int, at_ms: int | None = None, host: str = "h") -> None:
    [boot] = ledger.boots
    line = f'sensor,host={host},sensor=s boot="{boot}",sequence={sequence} {at_ms or START_MS + sequence}'
    server.writer.write([line], {"db": DATABASE, "rp": RAW, "precision": "ms"}, protocol="line")


def test_a_whole_run_is_stored_once(influxdb: InfluxServer, ledger: Ledger) -> None:
    for sequence in range(1, 11):
        store(influxdb, ledger, sequence)
    assert audit.stored(influxdb.reader, ledger) == audit.Stored(readings=10, duplicated=0)
    assert audit.count(influxdb.reader, ledger) == 10


def test_a_planted_loss_and_a_planted_duplicate_are_seen(influxdb: InfluxServer, ledger: Ledger) -> None:
    for sequence in range(1, 10):  # 10 is lost
        store(influxdb, ledger, sequence)
    store(influxdb, ledger, 3, at_ms=START_MS + 100_000)  # at another time
    store(influxdb, ledger, 4, host="elsewhere")  # under other tags
    assert audit.stored(influxdb.reader, ledger) == audit.Stored(readings=9, duplicated=2)


def test_writing_a_reading_again_is_no_duplicate(influxdb: InfluxServer, ledger: Ledger) -> None:
    store(influxdb, ledger, 1)
    store(influxdb, ledger, 1)
    assert audit.stored(influxdb.reader, ledger) == audit.Stored(readings=1, duplicated=0)


def test_readings_of_another_boot_are_not_counted(influxdb: InfluxServer, ledger: Ledger) -> None:
    other = Ledger(readings=1, boots={"another"}, sensors={"s"}, oldest_ms=START_MS, newest_ms=START_MS + 10)
    store(influxdb, other, 1, at_ms=START_MS + 50)
    assert audit.stored(influxdb.reader, ledger).readings == 0


def test_a_reading_is_seen_by_the_first_query_that_returns_it(influxdb: InfluxServer, ledger: Ledger) -> None:
    store(influxdb, ledger, 2)
    audit.see_new(influxdb.reader, ledger)
    assert len(ledger.latencies_ms) == 1
    audit.see_new(influxdb.reader, ledger)
    assert len(ledger.latencies_ms) == 1
