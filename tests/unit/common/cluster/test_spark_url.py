"""The URL of Spark's standalone master: its parts, and the node that it names."""

import pytest

from sensorpi.common.cluster.spark_url import SparkUrl, spark_url


@pytest.mark.parametrize(
    ("master", "expected"),
    [
        ("spark://10.0.0.12:7077", SparkUrl("10.0.0.12", 7077)),
        ("spark://master02:7077", SparkUrl("master02", 7077)),
        ("spark://[fd00::12]:7077", SparkUrl("fd00::12", 7077)),
        ("spark://master02", None),
        ("spark://a:7077,b:7077", None),
        ("local[2]", None),
        ("mesos://zk://10.0.0.21:2181/mesos", None),
    ],
)
def test_only_a_complete_url_of_one_master_is_one(master: str, expected: SparkUrl | None) -> None:
    assert spark_url(master) == expected


@pytest.mark.parametrize(("name", "address", "is_on"), [("a", "b", True), ("b", "a", True), ("b", "b", False)])
def test_a_node_is_named_by_its_name_or_its_address(name: str, address: str, is_on: bool) -> None:
    assert SparkUrl("a", 7077).is_on(name, address) is is_on
