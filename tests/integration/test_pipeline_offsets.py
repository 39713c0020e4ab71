"""The job's consumer group, on a broker where nothing was ever committed."""

import json
from collections.abc import Iterator

import pytest

from sensorpi.common.reading import TOPIC
from sensorpi.mesos_node.topics import ensure_topics, topic_specs
from sensorpi.pipeline.offsets import OFFSETS_TOPIC, GroupOffsets
from tests.integration.kafka_fixture import KafkaBroker


@pytest.fixture
def group(fresh_broker: KafkaBroker) -> Iterator[GroupOffsets]:
    """The group, before its first commit."""
    fresh_broker.start()
    ensure_topics(fresh_broker.bootstrap_servers, topic_specs(fresh_broker.cluster), fresh_broker.cluster_id)
    group = GroupOffsets(fresh_broker.bootstrap_servers)
    yield group
    group.close()


def test_the_group_has_a_place_before_the_first_message(group: GroupOffsets) -> None:
    assert group.starting_offsets() == "earliest"
    group.commit_start()
    partitions = json.loads(group.starting_offsets())[TOPIC]
    assert partitions
    assert set(partitions.values()) == {0}
    assert group.own_topic()[OFFSETS_TOPIC]  # what the job rehearses on
