"""A message of 150 KB that expands to 150 MB ends the job's JVM. The job gets past it, without losing a reading."""

import pytest
from kafka import KafkaProducer

from sensorpi.common.reading import TOPIC, Reading
from tests.integration.pipeline_fixture import Pipeline
from tests.integration.waiting import wait_until

pytestmark = pytest.mark.timeout(900)

BOMB_BYTES = 150_000_000


def send_in_one_batch(pipeline: Pipeline, values: list[bytes]) -> int:
    """Send values in one gzip batch; return the offset of the first one."""
    producer = KafkaProducer(
        bootstrap_servers=pipeline.stages.cluster.bootstrap_servers.split(","), compression_type="gzip",
        batch_size=2 * BOMB_BYTES, max_request_size=2 * BOMB_BYTES, linger_ms=2000,
        enable_idempotence=False,  # a retry of a request of this size would be out of order
    )  # fmt: skip
    futures = [producer.send(TOPIC, value) for value in values]
    offsets: list[int] = [future.get(timeout=60).offset for future in futures]
    producer.close()
    assert offsets == list(range(offsets[0], offsets[0] + len(values)))
    return offsets[0]


def test_a_bomb_is_skipped_and_no_reading_is_lost_or_repeated(pipeline: Pipeline) -> None:
    sensor, before = pipeline.new_sensor(), len(pipeline.log("spark"))
    pipeline.send_readings(sensor, 5)
    pipeline.wait_for_points(sensor, 5)
    pipeline.service("spark").stop(grace_s=60)
    start_ms = pipeline.send_readings(sensor, 5, first=6)
    good = [
        Reading(sensor, "test", "boot", sequence, start_ms + sequence, {"temperature": 20.0}).to_json()
        for sequence in (11, 12)
    ]
    bomb = send_in_one_batch(pipeline, [good[0], b"x" * BOMB_BYTES, good[1]]) + 1
    pipeline.send_readings(sensor, 5, first=13)

    job = pipeline.service("spark")
    job.start()

    def all_stored() -> bool:
        job.watch()  # restarts it
        return len(pipeline.points(sensor)) >= 17

    wait_until(all_stored, "all good readings", 500)
    wait_until(lambda: job.ready, "the job's progress", 120)
    [letter] = pipeline.dead_letters({bomb}).values()
    assert letter.value is None
    assert dict(letter.headers)["reason"].decode().startswith("too large: 150000000 bytes")
    log = pipeline.log("spark")[before:]
    assert log.count("JVM ended by itself") == 2
    [line] = [line for line in log.splitlines() if "too large to be read" in line]
    assert f"offset {bomb} (150000000 bytes)" in line

    job.stop(grace_s=60)
    pipeline.restart("spark")
    pipeline.send_readings(sensor, 3, first=18)
    points = pipeline.wait_for_points(sensor, 20)
    assert sorted(point["sequence"] for point in points) == list(range(1, 21))
    assert int(job.status.split()[0]) <= 8  # it goes on behind the bomb
    assert pipeline.log("spark")[before:].count("JVM ended by itself") == 2
