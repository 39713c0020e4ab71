"""Where the job starts in the topic, by its checkpoint and its consumer group."""

from pathlib import Path
from unittest.mock import Mock

import pytest
from kafka.errors import KafkaConnectionError

from sensorpi.pipeline.job.checkpoint import remember_topic
from sensorpi.pipeline.job.offsets import GroupOffsets, Log
from sensorpi.pipeline.job.place import find_place


@pytest.fixture
def group() -> Mock:
    group = Mock(GroupOffsets, forgotten=Mock())
    group.log.return_value = Log("new", {0: 3})
    group.starting_offsets.return_value = "as committed"
    group.start_over.return_value = "oldest"
    return group


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    place = tmp_path / "checkpoint"
    (place / "offsets").mkdir(parents=True)
    return place


def test_a_checkpoint_counts_for_more_than_what_was_committed(group: Mock, checkpoint: Path, tmp_path: Path) -> None:
    remember_topic(checkpoint, "new")
    assert find_place(checkpoint, group) == ("new", "earliest")
    assert find_place(tmp_path / "none", group) == ("new", "as committed")


def test_a_lost_topics_checkpoint_stays_until_the_group_forgot(group: Mock, checkpoint: Path) -> None:
    """Without it, and with the old place committed, readings of the new topic would be passed over."""
    remember_topic(checkpoint, "old")
    group.start_over.side_effect = KafkaConnectionError
    with pytest.raises(KafkaConnectionError):
        find_place(checkpoint, group)
    assert checkpoint.exists()
    group.start_over.side_effect = None
    assert find_place(checkpoint, group) == ("new", "oldest")
    assert not checkpoint.exists()
