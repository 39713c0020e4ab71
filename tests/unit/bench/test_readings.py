"""The readings that are sent, and what the hand-written readers make of them."""

import json
import random
from itertools import islice, pairwise

from bench.lines import line_of
from bench.readings import FIRST_MS, due_at, reading_of, readings
from bench.stored import expected, written_points
from sensorpi.common.reading import FIELDS


def test_a_message_has_288_bytes_on_average() -> None:
    """That is what the sensor sends. The sequences of a full run have six digits on average."""
    values = random.Random(1)
    sizes = [len(reading_of(500_000 + number, "sensor00001", FIRST_MS, values).value) for number in range(2000)]
    assert 287 <= sum(sizes) / len(sizes) <= 290


def test_the_readings_are_the_same_in_each_run() -> None:
    assert list(islice(readings(8), 100)) == list(islice(readings(8), 100))


def test_each_reading_is_another_point() -> None:
    sent = [json.loads(each.value) for each in islice(readings(8), 100)]
    assert len({(each["host"], each["timestamp"]) for each in sent}) == 100
    assert len({each["host"] for each in sent}) == 8
    assert [each["sequence"] for each in sent] == list(range(1, 101))
    assert all(set(FIELDS) <= set(each) for each in sent)


def test_a_key_names_the_host() -> None:
    assert next(readings(8)).key == b"sensor00001/EnviroPhat"


def test_readings_meet_a_timer_at_every_phase() -> None:
    due = [due_at(number) for number in range(100)]
    assert due == sorted(due)
    phases = sorted(at % 1 for at in due)
    assert max(after - before for before, after in pairwise([0.0, *phases, 1.0])) < 0.03


def test_a_line_has_the_fields_of_its_message() -> None:
    message = b'{"sensor":"a","host":"b","boot":"c","sequence":7,"timestamp":1750000000000,"heading":90.0,"lightv":3}'
    assert line_of(message) == (
        'sensor,host=b,sensor=a boot="c",sequence=7,heading=90.0,lightv=3,heading_sin=1.000000,heading_cos=0.000000'
        " 1750000000000"
    )


def test_only_points_of_the_readings_policy_count() -> None:
    def shard(database: str, policy: str, points: int) -> dict[str, object]:
        tags = {"database": database, "retentionPolicy": policy}
        return {"name": "shard", "tags": tags, "values": {"writePointsOk": points}}

    counters: dict[str, object] = {
        "cmdline": ["influxd"],
        "memstats": {"Alloc": 1},
        "shard:1": shard("sensordata", "raw", 20),
        "shard:2": shard("sensordata", "raw", 3),
        "shard:3": shard("sensordata", "rollup", 100),
        "shard:4": shard("other", "raw", 1000),
        "write": {"name": "write", "tags": None, "values": {"pointReq": 5}},
    }
    assert written_points(counters) == 23


def test_a_complete_store_has_each_sequence_once() -> None:
    whole = expected(4)
    assert whole["sum"] == 1 + 2 + 3 + 4
    assert whole["boot"] == whole["sequence"] == whole["temperature"] == 4
