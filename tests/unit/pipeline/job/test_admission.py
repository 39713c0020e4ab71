"""How many sensors and fields pass, whichever worker meets them first."""

import json
import logging
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb import InfluxDBClient
from influxdb.resultset import ResultSet

from sensorpi.pipeline.job.admission import MOST_SENSORS_OF_A_NODE, Admission
from sensorpi.pipeline.job.message import Refused, Rules
from sensorpi.pipeline.job.names import MOST_OTHER_FIELDS, Gate, Undecided
from sensorpi.pipeline.job.sink import Outcome

NOW_MS = 1_700_000_000_000


class Database(InfluxDBClient):  # type: ignore[misc]
    """An InfluxDB that has these series and fields."""

    def __init__(self, series: Iterable[str] = (), fields: Iterable[tuple[str, str]] = ()) -> None:
        self.series = [[each] for each in series]
        self.fields = [list(each) for each in fields]

    def query(self, query: str, *_: object, **__: object) -> ResultSet:
        """The answer of the two statements that the job uses."""
        if query.startswith("SHOW SERIES"):
            return ResultSet({"series": [{"columns": ["key"], "values": self.series}]})
        return ResultSet({"series": [{"name": "sensor", "columns": ["fieldKey", "fieldType"], "values": self.fields}]})


def reading(sensor: str, host: str = "flood", fields: Iterable[str] = ("temperature",)) -> bytes:
    return json.dumps({"timestamp": NOW_MS, "sensor": sensor, "host": host} | dict.fromkeys(fields, 1)).encode()


def settle(admission: Admission, *shares: list[bytes]) -> list[str | None]:
    """Settle a batch as the job does. Return the reason of each message that is refused, None for the others."""
    for _ in range(20):
        known = admission.known(len(shares))
        outcomes, reasons = [], list[str | None]()
        for share in shares:
            gate = Gate(known)
            outcomes.append(Outcome(0, 0, 0, admitted=gate.admitted, undecided=gate.undecided))
            line_of = Rules(0, gate=gate).line
            for value in share:
                try:
                    line_of(value, None, NOW_MS)
                    reasons.append(None)
                except Refused as refused:
                    reasons.append(str(refused))
                except Undecided:
                    reasons.append("undecided")
        admission.admit(outcomes)
        if all(outcome.is_settled for outcome in outcomes):
            return reasons
    pytest.fail("the batch is never settled")


def test_sensors_pass_until_the_maximum_is_reached() -> None:
    admission = Admission(Database(), 3, [])
    reasons = settle(admission, [reading(f"s{n}") for n in range(5)])
    assert [reason for reason in reasons if reason is not None] == [reasons[3], reasons[4]]
    assert str(reasons[4]).startswith("too many sensors")
    assert settle(admission, [reading("s0"), reading("new"), reading("s2")])[::2] == [None, None]


def test_a_sensor_on_another_host_counts_as_another_sensor() -> None:
    admission = Admission(Database(), 2, [])
    reasons = settle(admission, [reading("s", host) for host in ("a", "b", "c")])
    assert [reason is None for reason in reasons] == [True, True, False]


def test_names_that_have_to_be_escaped_are_counted_once() -> None:
    admission = Admission(Database([r"sensor,host=a\,b,sensor=c\ d"]), 1, [])
    assert settle(admission, [reading("c d", "a,b")]) == [None]
    assert settle(admission, [reading("c", "a")]) != [None]


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=40), min_size=1, max_size=5), st.integers(1, 40), st.integers(0, 20)
)
def test_exactly_the_maximum_passes_however_names_are_spread(shares: list[list[int]], most: int, stored: int) -> None:
    database = Database(f"sensor,host=flood,sensor=s{n}" for n in range(100, 100 + stored))
    admission = Admission(database, most, [])
    reasons = settle(admission, *([reading(f"s{n}") for n in share] for share in shares))
    sent = [n for share in shares for n in share]
    passed = {n for n, reason in zip(sent, reasons, strict=True) if reason is None}
    assert len(passed) == min(len(set(sent)), max(0, most - stored))
    assert passed.isdisjoint(n for n, reason in zip(sent, reasons, strict=True) if reason is not None)


def test_a_few_new_sensors_need_no_second_attempt() -> None:
    known = Admission(Database(), 100, []).known(shares=4)
    gate = Gate(known)
    for n in range(25):
        assert gate.refusal(b"sensor,host=h,sensor=%d" % n, "h") is None
    with pytest.raises(Undecided):
        gate.refusal(b"sensor,host=h,sensor=25", "h")


def test_a_flood_does_not_shut_out_the_clusters_nodes() -> None:
    admission = Admission(Database(), 3, ["sensor01", "10.0.0.99"])
    settle(admission, [reading(f"s{n}") for n in range(10)])
    assert settle(admission, [reading("EnviroPhat", "sensor01"), reading("EnviroPhat", "10.0.0.99")]) == [None, None]
    forged = settle(admission, [reading(f"s{n}", "sensor01") for n in range(50)], [reading("kitchen", "10.0.0.99")])
    assert forged.count(None) == MOST_SENSORS_OF_A_NODE + 1
    assert forged[-1] is None
    assert settle(admission, [reading("EnviroPhat", "sensor01"), reading("new", "sensor01")])[0] is None


def test_names_in_the_database_count_after_a_restart() -> None:
    stored = Database([f"sensor,host=flood,sensor=s{n}" for n in range(3)], [("temperature", "float")])
    reasons = settle(
        Admission(stored, 3, ["sensor01"]), [reading("s1"), reading("new"), reading("kitchen", "sensor01")]
    )
    assert [reason is None for reason in reasons] == [True, False, True]


def test_other_fields_pass_until_their_maximum_is_reached() -> None:
    admission = Admission(Database(fields=[("boot", "string"), ("pressure", "float")]), 10, [])
    flood = [reading("s", fields=[f"f{n:03}"]) for n in range(MOST_OTHER_FIELDS + 5)]
    reasons = settle(admission, flood, [reading("s", fields=["temperature", "heading", "sequence"])])
    assert [index for index, reason in enumerate(reasons) if reason is not None] == [100, 101, 102, 103, 104]
    assert reasons[100] == "too many field names: f100 is new, and the maximum of 100 is reached"


def test_a_field_of_another_type_is_admitted_but_has_no_mean() -> None:
    stored = [("boot", "string"), ("text", "string"), ("co2", "float"), ("both", "float"), ("both", "string")]
    admission = Admission(Database(fields=stored), 10, [])
    assert settle(admission, [reading("s", fields=["humidity", "text"])]) == [None]
    fields, _ = admission.stored()
    assert {"co2", "humidity", "heading_sin", "temperature"} <= set(fields)
    assert {"text", "both", "boot", "sequence"}.isdisjoint(fields)


def test_the_rollup_gets_a_bounded_number_of_fields() -> None:
    admission = Admission(Database(fields=[(f"f{n}", "float") for n in range(9000)]), 10, [])
    assert len(admission.stored()[0]) < 2 * MOST_OTHER_FIELDS


def test_each_maximum_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    admission = Admission(Database(), 3, ["sensor01"])
    for start in range(0, 40, 10):
        settle(admission, [reading(f"s{n}") for n in range(start, start + 10)])
        settle(admission, [reading("s0", fields=[f"f{start}_{n}" for n in range(60)])])
    lines = [record.getMessage() for record in caplog.records]
    assert [line[:30] for line in lines] == ["The maximum of 3 sensors (comb", "The maximum of 100 field names"]
