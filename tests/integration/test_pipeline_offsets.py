"""The job's consumer group, on a broker where nothing was ever committed."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from sensorpi.common.reading import TOPIC
from sensorpi.mesos_node.kafka.topics import ensure_topics, topic_specs
from sensorpi.pipeline.job import offsets
from sensorpi.pipeline.job.claim import MOST_EPOCHS, Claim, Superseded
from sensorpi.pipeline.job.offsets import GROUP, OFFSETS_TOPIC, GroupOffsets
from tests.integration.kafka_fixture import KafkaBroker, fresh_broker_in
from tests.integration.waiting import wait_until

PARTITION = TopicPartition(TOPIC, 0)


class Job:
    """As much of a job as has to do with the group."""

    def __init__(self, servers: str, node: str, state: Path) -> None:
        self.newer: Claim | None = None
        self.ended = threading.Event()
        self.group = GroupOffsets(servers, node, f"{node}:/checkpoint", state / node, self._end)

    def _end(self, newer: Claim) -> None:
        self.newer = newer
        self.ended.set()

    def take_over(self) -> Claim | None:
        return self.group.take_over(threading.Event())


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A broker with its topics, and no group yet."""
    with fresh_broker_in(tmp_path_factory.mktemp("offsets")) as broker:
        broker.start()
        ensure_topics(broker.bootstrap_servers, topic_specs(broker.cluster), broker.cluster_id)
        yield broker


@pytest.fixture
def new_job(broker: KafkaBroker, tmp_path: Path) -> Iterator[Callable[[str], Job]]:
    with ExitStack() as stack:

        def make(node: str) -> Job:
            job = Job(broker.bootstrap_servers, node, tmp_path)
            stack.callback(job.group.close)
            return job

        yield make


@pytest.fixture
def other_program(broker: KafkaBroker) -> Iterator[KafkaConsumer]:
    """Commits and reads the group's offsets as Kafka's own tools do."""
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap_servers, group_id=GROUP, enable_auto_commit=False)
    consumer.assign([PARTITION])
    yield consumer
    consumer.close(autocommit=False)


def test_the_group_has_a_place_before_the_first_message(new_job: Callable[[str], Job]) -> None:
    job = new_job("one")
    group = job.group
    assert job.take_over() is None
    partitions = json.loads(group.starting_offsets())[TOPIC]
    assert partitions
    assert set(partitions.values()) == {0}
    assert group.own_topic()[OFFSETS_TOPIC]  # what the job rehearses on


def test_newest_job_ends_the_one_before_and_continues(
    new_job: Callable[[str], Job], other_program: KafkaConsumer
) -> None:
    old, new = new_job("old"), new_job("new")
    old.take_over()
    old.group.commit({0: 5})
    wait_until(lambda: other_program.committed(PARTITION) == 5, "the old job's commit")
    previous = new.take_over()
    assert previous is not None
    assert (previous.node, previous.checkpoint) == ("old", "old:/checkpoint")
    assert json.loads(new.group.starting_offsets())[TOPIC]["0"] == 5
    assert old.ended.wait(10)
    assert old.newer is not None
    assert old.newer.node == "new"
    old.group.commit({0: 3})  # a batch that was still under way
    new.group.commit({0: 9})
    wait_until(lambda: other_program.committed(PARTITION) == 9, "the new job's commit")
    assert not new.ended.is_set()


def test_restarted_job_leaves_a_newer_live_one_alone(
    new_job: Callable[[str], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two supervisors that always start their job again would have them end each other for ever."""
    monkeypatch.setattr(offsets, "_BEAT_S", 2.0)
    monkeypatch.setattr(offsets, "_ALIVE_S", 6.0)
    old = new_job("old")
    old.take_over()
    new = new_job("new")
    new.take_over()
    assert old.ended.wait(10)
    with pytest.raises(Superseded, match="started on new"):
        new_job("old").take_over()
    assert not new.ended.is_set()
    new.group.close()
    previous = new_job("old").take_over()  # once the newer one is silent
    assert previous is not None
    assert previous.node == "new"


@pytest.mark.parametrize("epoch", [1000, MOST_EPOCHS, MOST_EPOCHS + 1, 2**63 - 1])
def test_a_forged_claim_does_not_end_the_job(
    new_job: Callable[[str], Job], other_program: KafkaConsumer, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    monkeypatch.setattr(offsets, "_ALIVE_S", 3.0)
    job = new_job("one")
    job.take_over()
    job.group.commit({0: 30})
    wait_until(lambda: other_program.committed(PARTITION) == 30, "the job's commit")
    forged = Claim(epoch, "f" * 16, "nowhere", "none").to_metadata()
    other_program.commit({PARTITION: OffsetAndMetadata(1, forged, -1)})
    wait_until(lambda: other_program.committed(PARTITION) == 30, "the right offset again", timeout_s=20)
    job.group.close()
    again = new_job("one")
    again.take_over()
    again.group.commit({0: 31})
    wait_until(lambda: other_program.committed(PARTITION) == 31, "the next start's commit")
    assert not job.ended.is_set()
    assert not again.ended.is_set()


def test_what_an_older_job_commits_late_is_put_right(
    new_job: Callable[[str], Job], other_program: KafkaConsumer
) -> None:
    """It may have looked just before the newer one was started, and the newer may have no message to commit."""
    old = new_job("old")
    old.take_over()
    late = Claim.after(None, "older", "older:/checkpoint").to_metadata()
    old.group.close()
    new = new_job("new")
    new.take_over()
    new.group.commit({0: 20})
    wait_until(lambda: other_program.committed(PARTITION) == 20, "the new job's commit")
    other_program.commit({PARTITION: OffsetAndMetadata(2, late, -1)})
    wait_until(lambda: other_program.committed(PARTITION) == 20, "the right offset again", timeout_s=10)
    assert not new.ended.is_set()


def test_next_job_continues_at_offsets_set_by_other_tools(
    new_job: Callable[[str], Job], other_program: KafkaConsumer
) -> None:
    other_program.commit({PARTITION: OffsetAndMetadata(7, "", -1)})
    job = new_job("one")
    job.take_over()
    assert json.loads(job.group.starting_offsets())[TOPIC]["0"] == 7
