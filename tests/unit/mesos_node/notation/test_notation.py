"""The notations of the broker commands: expressions, times, settings, constraints."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.common.errors import UserError
from sensorpi.mesos_node.notation.constraints import parse_constraints, unmet
from sensorpi.mesos_node.notation.expressions import (
    broker_ids,
    port_range,
    seconds,
    settings,
    settings_text,
    time_text,
)

PLACES = {
    0: {"hostname": "worker01", "rack": "a"},
    1: {"hostname": "worker02", "rack": "b"},
    2: {"hostname": "other", "rack": "b"},
}


@pytest.mark.parametrize(
    ("expression", "ids"),
    [
        ("0", [0]),
        ("0,2", [0, 2]),
        ("2, 0", [0, 2]),
        ("0..2", [0, 1, 2]),
        ("0,1..2", [0, 1, 2]),
        ("7", [7]),
        ("*", [0, 1, 2]),
        ("*[hostname=worker*]", [0, 1]),
        ("*[hostname=worker*,rack=b]", [1]),
        ("0..1[rack=b]", [1]),
        ("*[colour=red]", []),
    ],
)
def test_an_expression_names_brokers(expression: str, ids: list[int]) -> None:
    assert broker_ids(expression, [0, 1, 2], PLACES) == ids


@pytest.mark.parametrize("expression", ["", "a", "1..", "3..1", "-1", "0..99999", "*[rack", "*[rack]", "1;2", "²"])
def test_anything_else_is_a_mistake(expression: str) -> None:
    with pytest.raises(UserError):
        broker_ids(expression, [0, 1, 2], PLACES)


@pytest.mark.parametrize(
    ("text", "length_s"), [("30s", 30), ("5m", 300), ("1h", 3600), ("2d", 172800), ("500ms", 0.5), ("0", 0), ("0s", 0)]
)
def test_a_time_has_a_unit(text: str, length_s: float) -> None:
    assert seconds(text) == length_s


@pytest.mark.parametrize("text", ["", "5", "m", "-1s", "1.5h", "1 s", "1w"])
def test_a_time_without_is_a_mistake(text: str) -> None:
    with pytest.raises(UserError, match="expected a time such as 30s"):
        seconds(text)


@given(st.integers(0, 10**8))
def test_times_come_back(length_s: int) -> None:
    assert seconds(time_text(length_s)) == length_s


@pytest.mark.parametrize(("text", "ports"), [("7010", (7010, 7010)), ("31000..31100", (31000, 31100))])
def test_ports(text: str, ports: tuple[int, int]) -> None:
    assert port_range(text) == ports


@pytest.mark.parametrize("text", ["", "0", "70000", "2..1", "x", "1..x"])
def test_no_ports(text: str) -> None:
    with pytest.raises(UserError):
        port_range(text)


names = st.text("abcdefghij.", min_size=1).filter(lambda text: text.strip() == text)
values = st.text(
    st.characters(max_codepoint=127, whitelist_categories=["L", "N", "P"], blacklist_characters="\\"), max_size=12
)


@given(st.dictionaries(names, values))
def test_settings_come_back(given_settings: dict[str, str]) -> None:
    assert settings(settings_text(given_settings)) == given_settings


@pytest.mark.parametrize(
    ("constraint", "others", "met"),
    [
        ("like:worker0[12]", [], ["worker01", "worker02"]),
        ("like:worker", [], []),
        ("unlike:worker.*", [], ["other", None]),
        ("unique", ["worker01"], ["worker02", "other"]),
        ("cluster", [], ["worker01", "worker02", "other"]),
        ("cluster", ["worker02"], ["worker02"]),
        ("cluster:other", ["worker02"], ["other"]),
        ("groupBy", [], ["worker01", "worker02", "other"]),
        ("groupBy", ["worker01"], ["worker01"]),
        ("groupBy:2", ["worker01"], ["worker02", "other"]),
        ("groupBy:2", ["worker01", "worker02", "worker01"], ["worker02"]),
        ("groupBy:2", ["worker01", "worker02"], ["worker01", "worker02"]),
    ],
)
def test_a_constraint_lets_hosts_through(constraint: str, others: list[str], met: list[str | None]) -> None:
    constraints = parse_constraints(f"hostname={constraint}")
    taken = [{"hostname": other} for other in others]
    hosts = ["worker01", "worker02", "other", None]
    through = [host for host in hosts if unmet(constraints, {} if host is None else {"hostname": host}, taken) is None]
    assert through == met


def test_the_constraint_that_is_not_met_is_named() -> None:
    constraints = parse_constraints("hostname=like:w.*,rack=unique")
    assert unmet(constraints, {"hostname": "w1", "rack": "a"}, [{"rack": "a"}]) == "rack=unique"


@pytest.mark.parametrize(
    "text", ["hostname", "hostname=", "hostname=like:", "hostname=like:(", "rack=groupBy:0", "a=b"]
)
def test_no_constraint(text: str) -> None:
    with pytest.raises(UserError):
        parse_constraints(text)
