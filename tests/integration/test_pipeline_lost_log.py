"""All brokers' disks are lost at once: the topic is new and empty, and the job remembers places in the old one."""

import shutil
from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer, TopicPartition

from sensorpi.common.cluster import secrets
from sensorpi.common.reading import TOPIC
from sensorpi.mesos_node.kafka.topics import ensure_topics, topic_specs
from tests.integration.pipeline_fixture import Pipeline
from tests.integration.test_pipeline_job import checkpoint_of
from tests.integration.waiting import wait_until

pytestmark = pytest.mark.timeout(900)

LINE = "Topic sensors was created again, as after the loss of all brokers' disks; the old one was read up to offset "


@pytest.fixture
def said(pipeline: Pipeline) -> Iterator[list[str]]:
    """The job's lines about it since the test began, once it is over; the test says how many there must be."""
    before = len(pipeline.log("spark"))
    lines: list[str] = []

    def logged() -> list[str]:
        return [line for line in pipeline.log("spark")[before:].splitlines() if LINE in line]

    yield lines
    # The running stream may store the new topic's first readings a moment before the job sees that it is a new one.
    wait_until(lambda: len(logged()) >= len(lines), "the job's line")
    assert logged() == lines


def lose_all_messages(pipeline: Pipeline) -> None:
    """Give the only broker a new disk, and make the topics as a worker's service does."""
    pipeline.service("kafka").stop(grace_s=60)
    shutil.rmtree(pipeline.stages.home.path / "kafka")
    pipeline.restart("kafka")
    cluster = pipeline.stages.cluster
    key = secrets.load_key(pipeline.stages.home.config / secrets.FILE_NAME)
    ensure_topics(cluster.bootstrap_servers, topic_specs(cluster), secrets.kafka_cluster_id(key))


def committed(pipeline: Pipeline, *, all_of_it: bool = False) -> int | None:
    """The place that the job committed; None when that is not the topic's end, where it has to be."""
    servers = pipeline.stages.cluster.bootstrap_servers
    consumer = KafkaConsumer(bootstrap_servers=servers, group_id="sensorpi-job", enable_auto_commit=False)
    partition = TopicPartition(TOPIC, 0)
    offset: int | None = consumer.committed(partition)
    end = consumer.end_offsets([partition])[partition]
    consumer.close(autocommit=False)
    return None if all_of_it and offset != end else offset


def all_read(pipeline: Pipeline) -> int:
    """Wait until the job has committed the topic's end, and return that."""
    wait_until(lambda: committed(pipeline, all_of_it=True) is not None, "the commit of the topic's end")
    return committed(pipeline) or 0


def line(pipeline: Pipeline, reached: int) -> str:
    where = checkpoint_of(pipeline).with_name("checkpoint.stale")
    return (
        f"ERROR sensorpi.pipeline.job.place: {LINE}{reached} of partition 0. "
        "Messages after that which were not read are lost. Starting at the oldest message; "
        f"the old checkpoint is now in {where}."
    )


def test_a_running_job_goes_on_with_the_first_new_reading(pipeline: Pipeline, said: list[str]) -> None:
    sensor = pipeline.new_sensor()
    pipeline.send_readings(sensor, 300)
    pipeline.wait_for_points(sensor, 300)
    reached = all_read(pipeline)
    lose_all_messages(pipeline)
    pipeline.send_readings(sensor, 20, first=301)
    points = pipeline.wait_for_points(sensor, 320, timeout_s=120)
    assert sorted(point["sequence"] for point in points) == list(range(1, 321))
    wait_until(lambda: committed(pipeline) == 20, "the place in the new topic committed")
    said.append(line(pipeline, reached))


def test_stopped_job_sees_the_new_topic_at_its_start(pipeline: Pipeline, said: list[str]) -> None:
    sensor = pipeline.new_sensor()
    pipeline.send_readings(sensor, 20)
    pipeline.wait_for_points(sensor, 20)
    reached = all_read(pipeline)
    pipeline.service("spark").stop()
    lose_all_messages(pipeline)
    pipeline.send_readings(sensor, reached + 500, first=21)
    pipeline.restart("spark")
    points = pipeline.wait_for_points(sensor, reached + 520, timeout_s=120)
    assert sorted(point["sequence"] for point in points) == list(range(1, reached + 521))
    said.append(line(pipeline, reached))


def test_the_same_topic_at_the_next_start_is_no_loss(pipeline: Pipeline, said: list[str]) -> None:
    sensor = pipeline.new_sensor()
    pipeline.send_readings(sensor, 5)
    pipeline.wait_for_points(sensor, 5)
    pipeline.service("spark").stop()
    pipeline.restart("spark")
    pipeline.send_readings(sensor, 5, first=6)
    pipeline.wait_for_points(sensor, 10)
    # The batch that was under way may be read again, and nothing before it.
    assert int(pipeline.service("spark").status.split()[0]) <= 10
