"""Where the replicas of topics go, which topics an expression names, and what the commands refuse."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition

from sensorpi.common.cli.main import main
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.kafka.reassignment import Replicas, spread
from sensorpi.mesos_node.kafka.topic_admin import matching

BROKERS = range(5)


@st.composite
def clusters(draw: st.DrawFn) -> tuple[dict[TopicPartition, Replicas], list[int], int | None]:
    """Partitions somewhere, the brokers they shall be on, and how many replicas each shall have."""
    sets = st.lists(st.sampled_from(BROKERS), min_size=1, max_size=3, unique=True).map(tuple)
    each = draw(st.lists(sets, max_size=12))
    brokers = draw(st.lists(st.sampled_from(BROKERS), min_size=3, unique=True))
    replicas = draw(st.none() | st.integers(1, 3))
    return {TopicPartition("t", number): chosen for number, chosen in enumerate(each)}, brokers, replicas


def loads(wanted: dict[TopicPartition, Replicas], brokers: list[int]) -> list[int]:
    counted = Counter(broker for chosen in wanted.values() for broker in chosen)
    assert set(counted) <= set(brokers)
    return [counted[broker] for broker in brokers]


@given(clusters())
def test_numbers_of_replicas_differ_by_one_at_most(
    case: tuple[dict[TopicPartition, Replicas], list[int], int | None],
) -> None:
    present, brokers, replicas = case
    wanted = spread(present, brokers, replicas)
    assert {partition: len(chosen) for partition, chosen in wanted.items()} == {
        partition: len(old) if replicas is None else replicas for partition, old in present.items()
    }
    assert all(len(set(chosen)) == len(chosen) for chosen in wanted.values())
    counted = loads(wanted, brokers)
    assert max(counted) - min(counted) <= 1
    assert spread(wanted, brokers, replicas) == wanted


@pytest.mark.parametrize(
    ("present", "brokers", "replicas", "expected"),
    [
        ([(0,), (1,), (2,)], [0, 1, 2], None, [(0,), (1,), (2,)]),
        ([(0, 1), (0, 1), (0, 1)], [0, 1, 2], None, [(2, 1), (0, 2), (1, 0)]),
        ([(0, 1, 2)] * 3, [0, 1, 2], None, [(1, 0, 2), (2, 0, 1), (0, 1, 2)]),  # only the leaders change
        ([(0,)], [0, 1, 2], 3, [(0, 1, 2)]),
        ([(0, 1, 2)], [0, 1, 2], 1, [(0,)]),
        ([(2, 1)], [0, 1], None, [(1, 0)]),
        ([], [0], None, []),
    ],
)
def test_what_may_stay_stays(
    present: list[Replicas], brokers: list[int], replicas: int | None, expected: list[Replicas]
) -> None:
    wanted = spread({TopicPartition("t", i): old for i, old in enumerate(present)}, brokers, replicas)
    assert [set(chosen) for chosen in wanted.values()] == [set(chosen) for chosen in expected]
    leaders = Counter(chosen[0] for chosen in wanted.values())
    assert not leaders or max(leaders.values()) <= -(-len(present) // len(brokers))


def test_too_few_brokers_are_said() -> None:
    with pytest.raises(UserError, match=r"^3 replicas of a partition need as many brokers; there are 2$"):
        spread({TopicPartition("t", 0): (0, 1, 2)}, [0, 1])


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("*", ["sensors", "sensors.dlq", "weather"]),
        ("sensors", ["sensors"]),
        ("sens*", ["sensors", "sensors.dlq"]),
        ("weather, sensors", ["sensors", "weather"]),
        ("x*", []),
        ("__consumer_offsets", ["__consumer_offsets"]),
        ("__*,weather", ["__consumer_offsets", "weather"]),
    ],
)
def test_an_expression_names_topics(expression: str, names: list[str]) -> None:
    assert matching(expression, ["weather", "sensors", "sensors.dlq", "__consumer_offsets"]) == names


def test_a_name_that_no_topic_has_is_said() -> None:
    with pytest.raises(UserError, match=r'^no topic is called "wether"; '):
        matching("weather,wether", ["weather"])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["add", "a b"], '"a b": expected a topic name of letters, digits, ., _ and -, at most 249'),
        (["add", "a,"], '"": expected a topic name of letters, digits, ., _ and -, at most 249'),
        (["add", "__x"], "topic __x: names that begin with __ are for the topics that Kafka makes for itself"),
        (["add", "a", "--options", "x"], '"x": expected an option as NAME=VALUE'),
        (["update", "a"], "topic update: nothing to do; give --partitions or --options"),
        (["update", "a", "--partitions", "0"], "--partitions 0: expected a number from 1 to 10000"),
        (["rebalance", "a", "--timeout", "soon"], '"soon": expected a time such as 30s, 5m or 1h'),
    ],
)
def test_a_mistake_is_one_line_before_any_broker_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    assert main(["kafka", "topic", *words, "--config", str(tmp_path)]) == 2
    assert capsys.readouterr() == ("", f"sensorpi: {line}\n")
