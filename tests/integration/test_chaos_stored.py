"""What `make chaos` compares with is really read from InfluxDB: a planted loss, double and alteration are named."""

import uuid

from onebox.ledger import ReadingId
from sensorpi.pipeline.influx.client import DATABASE, RAW
from tests.chaos import stored
from tests.chaos.checker import Evidence, check
from tests.chaos.ledger import Taken
from tests.chaos.recovery import in_influxdb
from tests.integration.influx_fixture import InfluxServer

START_MS = 1_600_000_000_000


def test_planted_faults_are_read_from_influxdb_and_named(influxdb: InfluxServer) -> None:
    boot = uuid.uuid4().hex
    taken = [
        Taken(ReadingId("s", boot, number), "h", float(number), {"temperature": 1e-7 * number}, START_MS + number)
        for number in range(1, 6)
    ]
    lines = [
        f'sensor,host={host},sensor=s boot="{boot}",sequence={number},temperature={value!r} {START_MS + at}'
        for number, host, value, at in (
            (1, "h", 1e-7, 1), (2, "h", 2e-7, 2), (2, "h", 2e-7, 90), (3, "h", 3.5e-7, 3), (5, "h", 5e-7, 5),
        )
    ]  # fmt: skip
    influxdb.writer.write(lines, {"db": DATABASE, "rp": RAW, "precision": "ms"}, protocol="line")
    rows = [row for row in stored.rows(influxdb.reader) if row.reading.boot == boot]
    verdict = check(Evidence({each.reading: each for each in taken}, rows))
    assert [finding.reading.sequence for finding in verdict.lost] == [4]
    assert [finding.reading.sequence for finding in verdict.duplicated] == [2]
    assert [finding.text for finding in verdict.altered if finding.reading.sequence == 3] == [
        "temperature was 3e-07 and is stored as 3.5e-07"
    ]
    question = in_influxdb(influxdb.endpoint, influxdb.credentials.reader_password)
    assert {reading.sequence for reading in question("h", taken)} == {1, 2, 3, 5}
    assert question("other", taken) == set()
