"""Workers that declare the topics at the same time, where one broker does not know yet what another has made."""

from typing import Any, cast

import pytest
from kafka import KafkaAdminClient
from kafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidPartitionsError,
    KafkaConnectionError,
    TopicAlreadyExistsError,
)
from pytest_mock import MockerFixture

from sensorpi.common.errors import UserError
from sensorpi.mesos_node.kafka import topics
from sensorpi.mesos_node.kafka.topics import TopicSpec, ensure_topics

SPEC = TopicSpec("sensors", 3, 3, {"retention.ms": "1"})


class BrokerBehind:
    """An admin client of brokers, of which the one that answers learns of the topic only after a few questions."""

    def __init__(self) -> None:
        self.asked = 0

    def list_topics(self) -> list[str]:
        return []

    def create_topics(self, *_arguments: object, **_settings: object) -> None:
        raise TopicAlreadyExistsError

    def wait_for_topics(self, _topics: list[str]) -> None:
        pass

    def describe_topics(self, _topics: list[str]) -> list[dict[str, Any]]:
        return [{"partitions": []}]

    def create_partitions(self, _partitions: dict[str, int]) -> None:
        raise InvalidPartitionsError

    def describe_configs(self, _resources: object, config_filter: str) -> dict[str, Any]:
        self.asked += 1
        return {"topic": {"sensors": {"retention.ms": {"value": "1"}} if self.asked > 2 else {}}}


def test_a_topic_that_another_worker_has_just_made_is_waited_for() -> None:
    behind = BrokerBehind()
    assert topics._ensure_topic(cast(KafkaAdminClient, behind), SPEC) == []
    assert behind.asked == 3


def test_a_topic_that_stays_unknown_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "_KNOWN_EVERYWHERE_S", 0.0)
    with pytest.raises(UserError, match="sensors is not known to every broker"):
        topics._ensure_topic(cast(KafkaAdminClient, BrokerBehind()), SPEC)


def ensure(mocker: MockerFixture, answers: list[object]) -> list[str]:
    """The topic brought in line, where describing the cluster gives these answers one after the other."""
    mocker.patch.object(topics, "connect")
    mocker.patch("time.sleep")
    mocker.patch.object(topics, "describe_cluster", side_effect=answers)
    mocker.patch.object(topics, "_ensure_topic", return_value=["sensors: created"])
    return ensure_topics("127.0.0.1:1", [SPEC], "id")


def test_a_broker_that_registers_before_it_listens_is_retried(mocker: MockerFixture) -> None:
    assert ensure(mocker, [KafkaConnectionError(), KafkaConnectionError(), {}]) == ["sensors: created"]


def test_what_a_broker_refuses_is_not_retried(mocker: MockerFixture) -> None:
    with pytest.raises(UserError, match="topics are not as declared"):
        ensure(mocker, [ClusterAuthorizationFailedError("no")])
