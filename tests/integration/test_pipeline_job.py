"""The Spark job over real Kafka and InfluxDB: all that is sent ends in the database or on the dead-letter topic."""

import json
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from sensorpi.common.reading import FIELDS, TOPIC, Reading
from tests.integration.pipeline_fixture import Pipeline, jvm_of, reading_json
from tests.integration.waiting import wait_until

ROOT = Path(__file__).parents[2]
DAY_MS = 24 * 3600 * 1000


def now_ms() -> int:
    return int(time.time() * 1000)


def test_an_original_message_is_stored_under_the_default_names(pipeline: Pipeline) -> None:
    timestamp_ms = now_ms()
    original = {
        "timestamp": timestamp_ms, "temperature": 21, "pressure": 101325.5, "heading": 90, "lightv": 300,
        "lightr": 85, "lightg": 84, "lightb": 82, "motionx": 0, "motiony": -0.25, "motionz": 1,
    }  # fmt: skip
    pipeline.send(json.dumps(original).encode())
    wait_until(lambda: any(p["time"] == timestamp_ms for p in pipeline.points("EnviroPhat")), "the point")
    [point] = [point for point in pipeline.points("EnviroPhat") if point["time"] == timestamp_ms]
    assert point["host"] == "10.0.0.99"
    assert {name: point[name] for name in FIELDS} == {name: original[name] for name in FIELDS}


def test_both_paths_give_the_same_point(pipeline: Pipeline) -> None:
    """Our publisher's messages go through Spark's columns, the same with the keys in another order through Python."""
    fast, slow = pipeline.new_sensor(), pipeline.new_sensor()
    generator = random.Random(1)
    start_ms = now_ms()
    for sequence in range(1, 201):
        chosen = generator.sample(FIELDS, generator.randint(1, len(FIELDS)))
        numbers = [0.0, -1.5, 1e-7, 123456.789, generator.uniform(-360, 360)]
        values = {name: generator.choice(numbers) for name in chosen}
        message = json.loads(Reading(fast, "test", "boot", sequence, start_ms + sequence, values).to_json())
        pipeline.producer.send(TOPIC, json.dumps(message, separators=(",", ":")).encode())
        pipeline.producer.send(TOPIC, json.dumps(dict(reversed((message | {"sensor": slow}).items()))).encode())
    pipeline.producer.flush()
    points = [pipeline.wait_for_points(sensor, 200) for sensor in (fast, slow)]
    for fast_point, slow_point in zip(*points, strict=True):
        assert fast_point | {"sensor": ""} == pytest.approx(slow_point | {"sensor": ""}, abs=1e-6)


def test_bad_messages_are_dead_letters_good_ones_are_stored(pipeline: Pipeline) -> None:
    sensor, start_ms = pipeline.new_sensor(), now_ms()
    good = iter(range(1, 1000))
    bad = {
        "empty value": b"",
        "not an object": b"null",
        "not JSON: Expecting": b"hello",
        "not JSON: Extra data": reading_json(sensor, start_ms, a=1) + b"x",
        "duplicate key": b'{"timestamp":%d,"temperature":1,"temperature":2}' % start_ms,
        "wrong type: temperature is a string": reading_json(sensor, start_ms, temperature="21.5"),
        "wrong type: motionx is a boolean": reading_json(sensor, start_ms, motionx=True),
        "missing timestamp": b'{"temperature":21.5}',
        "not JSON: NaN": b'{"timestamp":%d,"temperature":NaN}' % start_ms,
        "not finite": b'{"timestamp":%d,"temperature":1e400}' % start_ms,
        "too large": b'{"timestamp":%d,"note":"%s"}' % (start_ms, b"x" * 5_000_000),
        "timestamp too old": reading_json(sensor, 0, temperature=1),
        "timestamp in the future": reading_json(sensor, 3_800_000_000_000, temperature=1),
        "nested": reading_json(sensor, start_ms, temperature={"value": 1}),
        "not UTF-8": b'{"timestamp":\xff}',
    }
    sent: dict[int, tuple[str, bytes]] = {}
    for reason, value in bad.items():
        pipeline.send(Reading(sensor, "test", "boot", next(good), start_ms + len(sent), {"temperature": 1.0}).to_json())
        sent[pipeline.send(value, key=b"the key")] = (reason, value)
    assert len(pipeline.wait_for_points(sensor, len(bad))) == len(bad)
    letters = pipeline.dead_letters(set(sent))
    for offset, (reason, value) in sent.items():
        headers = dict(letters[offset].headers)
        assert headers["reason"].decode().startswith(reason)
        assert (letters[offset].value or b"") == value
        assert (headers["topic"], headers["partition"], headers["key"]) == (b"sensors", b"0", b"the key")
        assert abs(int(headers["timestamp"]) - start_ms) < 120_000
        assert letters[offset].key == f"sensors-0-{offset}".encode()


def test_a_flood_of_bad_messages_holds_nobody_up(pipeline: Pipeline) -> None:
    sensor = pipeline.new_sensor()
    bad = [None, b"{", b"x" * 70_000] * 500
    futures = [pipeline.producer.send(TOPIC, value, key=b"flood") for value in bad]
    pipeline.send_readings(sensor, 100)
    offsets = {future.get(timeout=30).offset: value for future, value in zip(futures, bad, strict=True)}
    pipeline.wait_for_points(sensor, 100)
    letters = pipeline.dead_letters(set(offsets))
    assert {offset: letter.value for offset, letter in letters.items()} == offsets


def test_a_tombstone_is_a_dead_letter(pipeline: Pipeline) -> None:
    offset = pipeline.send(None, key=b"k")
    assert pipeline.dead_letters({offset})[offset].value is None


def test_unknown_numeric_fields_are_stored_as_floats(pipeline: Pipeline) -> None:
    sensor = pipeline.new_sensor()
    pipeline.send(reading_json(sensor, now_ms(), humidity=57, gas_ohm=1.5e5))
    [point] = pipeline.wait_for_points(sensor, 1)
    assert (point["humidity"], point["gas_ohm"]) == (57.0, 150000.0)


def test_a_point_that_influxdb_refuses_is_dead_lettered_alone(pipeline: Pipeline) -> None:
    sensor, start_ms = pipeline.new_sensor(), now_ms()
    pipeline.write(f"sensor,sensor=other,host=other conflict=1i {start_ms}")
    pipeline.send_readings(sensor, 10)
    refused = {pipeline.send(reading_json(sensor, start_ms - 5, conflict=1.5))}
    pipeline.send_readings(sensor, 10, first=11)
    assert len(pipeline.wait_for_points(sensor, 20)) == 20
    [letter] = pipeline.dead_letters(refused).values()
    assert b"InfluxDB refused it" in dict(letter.headers)["reason"]
    assert b"field type conflict" in dict(letter.headers)["reason"]
    assert letter.value == reading_json(sensor, start_ms - 5, conflict=1.5)


@pytest.mark.parametrize("age_days", [1, 400])
def test_old_readings_are_stored_where_raw_data_is_kept_for_ever(pipeline: Pipeline, age_days: int) -> None:
    sensor = pipeline.new_sensor()
    pipeline.send(reading_json(sensor, now_ms() - age_days * DAY_MS, temperature=1))
    pipeline.wait_for_points(sensor, 1)


def test_the_jobs_place_is_committed_to_its_consumer_group(pipeline: Pipeline) -> None:
    sensor = pipeline.new_sensor()
    pipeline.send_readings(sensor, 5)
    pipeline.wait_for_points(sensor, 5)
    servers = pipeline.stages.cluster.bootstrap_servers
    consumer = KafkaConsumer(bootstrap_servers=servers, group_id="sensorpi-job", enable_auto_commit=False)
    partition = TopicPartition(TOPIC, 0)
    end = consumer.end_offsets([partition])[partition]
    wait_until(lambda: consumer.committed(partition) == end, f"offset {end} committed")
    consumer.close(autocommit=False)


def test_influxdb_outage_loses_nothing_and_is_logged_once(pipeline: Pipeline) -> None:
    sensor = pipeline.new_sensor()
    before = pipeline.log("spark")
    pipeline.send_readings(sensor, 10)
    pipeline.wait_for_points(sensor, 10)
    pipeline.service("influxdb").stop()
    pipeline.send_readings(sensor, 50, first=11)
    wait_until(lambda: "InfluxDB is down" in pipeline.log("spark")[len(before) :], "the outage in the log")
    pipeline.restart("influxdb")
    points = pipeline.wait_for_points(sensor, 60)
    assert sorted(point["sequence"] for point in points) == list(range(1, 61))
    wait_until(lambda: "InfluxDB is back" in pipeline.log("spark")[len(before) :], "the end of the outage in the log")
    lines = [line for line in pipeline.log("spark")[len(before) :].splitlines() if "InfluxDB" in line]
    assert len(lines) == 2, lines


def test_a_killed_job_goes_on_where_it_was(pipeline: Pipeline) -> None:
    sensor = pipeline.new_sensor()
    pipeline.send_readings(sensor, 2000)
    job = pipeline.service("spark")
    assert job.pid is not None
    job.kill()
    pipeline.send_readings(sensor, 500, first=2001)
    pipeline.restart("spark")
    points = pipeline.wait_for_points(sensor, 2500)
    assert sorted(point["sequence"] for point in points) == list(range(1, 2501))


def checkpoint_of(pipeline: Pipeline) -> Path:
    return pipeline.stages.home.path / "spark" / "checkpoint"


def test_sigterm_ends_the_job_cleanly_while_influxdb_is_away(pipeline: Pipeline) -> None:
    sensor = pipeline.new_sensor()
    pipeline.service("influxdb").stop()
    before = len(pipeline.log("spark"))
    pipeline.send_readings(sensor, 5)
    wait_until(lambda: "InfluxDB is down" in pipeline.log("spark")[before:], "the outage in the log")
    job = pipeline.service("spark")
    job.terminate()
    wait_until(lambda: job.exit_status is not None, "the job's end", timeout_s=30)
    assert job.exit_status == 0
    assert "Traceback" not in pipeline.log("spark")[before:]
    pipeline.restart("influxdb")
    pipeline.restart("spark")
    pipeline.wait_for_points(sensor, 5)


def test_its_jvm_ends_before_the_job(pipeline: Pipeline) -> None:
    jvm = jvm_of(pipeline.service("spark"))
    pipeline.service("spark").stop(grace_s=60)
    assert not Path(f"/proc/{jvm}").exists()


def test_sigterm_ends_the_job_cleanly_while_kafka_is_away(pipeline: Pipeline) -> None:
    sensor = pipeline.new_sensor()
    pipeline.send_readings(sensor, 5)
    pipeline.wait_for_points(sensor, 5)
    before = len(pipeline.log("spark"))
    pipeline.service("kafka").stop(grace_s=60)
    wait_until(lambda: "Reading from Kafka is down" in pipeline.log("spark")[before:], "the outage in the log")
    job = pipeline.service("spark")
    job.terminate()
    wait_until(lambda: job.exit_status is not None, "the job's end", timeout_s=40)
    assert job.exit_status == 0
    assert "Traceback" not in pipeline.log("spark")[before:]


def test_job_without_checkpoint_continues_at_committed_offsets(pipeline_without_job: Pipeline) -> None:
    pipeline, sensor = pipeline_without_job, pipeline_without_job.new_sensor()
    committed = pipeline.committed()
    shutil.rmtree(checkpoint_of(pipeline))
    pipeline.send_readings(sensor, 5)
    pipeline.restart("spark")
    pipeline.send_readings(sensor, 5, first=6)
    pipeline.wait_for_points(sensor, 10)
    planned = (checkpoint_of(pipeline) / "offsets" / "0").read_text()
    assert json.loads(planned.splitlines()[-1])["sensors"]["0"] > committed
    stored_since_start = int(pipeline.service("spark").status.split()[0])
    assert stored_since_start < 100  # and not the thousands that the topic holds


def test_a_broker_that_restarts_is_waited_for(pipeline: Pipeline) -> None:
    sensor = pipeline.new_sensor()
    pipeline.send_readings(sensor, 5)
    pipeline.wait_for_points(sensor, 5)
    pipeline.service("kafka").stop(grace_s=60)
    pipeline.restart("kafka")
    pipeline.send_readings(sensor, 5, first=6)
    points = pipeline.wait_for_points(sensor, 10, timeout_s=120)
    assert sorted(point["sequence"] for point in points) == list(range(1, 11))


def java_producer(pipeline: Pipeline, codec: str, lines: list[bytes]) -> None:
    """Send lines in one batch by Kafka's own producer, which has every codec."""
    command = [
        "java", "-Xmx512m", "-cp", f"{ROOT}/.cache/jars/kafka/*", "org.apache.kafka.tools.ConsoleProducer",
        "--bootstrap-server", pipeline.stages.cluster.bootstrap_servers, "--topic", TOPIC,
        "--compression-codec", codec, "--max-block-ms", "30000", "--batch-size", "10000000",
        "--producer-property", "max.request.size=200000000", "--producer-property", "buffer.memory=300000000",
        "--producer-property", "linger.ms=500",
    ]  # fmt: skip
    subprocess.run(command, input=b"\n".join(lines) + b"\n", check=True, capture_output=True, timeout=120)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_a_large_message_in_a_compressed_batch_is_a_dead_letter(pipeline: Pipeline, codec: str) -> None:
    sensor, note = pipeline.new_sensor(), codec.encode() * 20_000
    start = pipeline.send(reading_json(sensor, now_ms(), temperature=1)) + 1
    good = [reading_json(sensor, now_ms() + n, temperature=n) for n in range(1, 4)]
    java_producer(pipeline, codec, [good[0], note, good[1], b"x" * 9_500_000, good[2]])
    pipeline.wait_for_points(sensor, 4)
    letters = pipeline.dead_letters({start + 1, start + 3})
    assert letters[start + 1].value == note
    assert letters[start + 3].value is None
    assert dict(letters[start + 3].headers)["reason"].startswith(b"too large: 9500000 bytes")


def test_a_transaction_counts_when_it_is_committed(pipeline: Pipeline) -> None:
    sensor, before = pipeline.new_sensor(), len(pipeline.log("spark"))
    servers = pipeline.stages.cluster.bootstrap_servers.split(",")
    producer = KafkaProducer(bootstrap_servers=servers, transactional_id=sensor)
    producer.init_transactions()
    for commits in (True, False, True):
        producer.begin_transaction()
        for n in range(3):
            producer.send(TOPIC, reading_json(sensor, now_ms() + n, temperature=1.0 if commits else 2.0))
        producer.flush()
        if commits:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
    producer.close()
    pipeline.send(reading_json(sensor, now_ms() + 100, temperature=1))
    points = pipeline.wait_for_points(sensor, 7)
    assert [point["temperature"] for point in points] == [1.0] * 7
    assert "deleted from Kafka" not in pipeline.log("spark")[before:]
