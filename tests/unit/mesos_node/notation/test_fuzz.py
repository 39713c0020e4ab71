"""The operators' commands with any values, as the API's requests bring them: done, or one line and nothing changed."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.mesos_node.notation.constraints import parse_constraints, unmet
from sensorpi.mesos_node.notation.expressions import broker_ids, port_range, seconds, settings
from tests.fakes.clusters import cluster_of
from tests.fakes.damage import JSON_VALUES, refusal
from tests.fakes.scheduler_core import Scheduler

VERBS = ("add", "update", "remove", "start", "stop", "restart")
WORDS = st.text(alphabet="0123456789.,*[]=()\\|+?{}:- abcdhostnamelikeunqr\u0661\u2028\0", max_size=30)
CONSTRAINTS = st.sampled_from(["a=like:b{99999999999}", "a=like:" + "(" * 5000, "a=groupBy:2", "a=cluster"])
VALUES = st.one_of(JSON_VALUES, WORDS, st.integers(), st.sampled_from(["*", "0..2"]), CONSTRAINTS)
BROKERS = st.one_of(st.sampled_from(["*", "0", "4", "3..5"]), VALUES)
SETTINGS = st.dictionaries(
    st.sampled_from([
        "cpus", "mem_mb", "heap_mb", "port", "constraints", "options", "jvm_options", "stickiness_period_s",
        "failover_delay_s", "failover_max_delay_s", "failover_max_tries", "timeout_s", "data_host", "other",
    ]),
    VALUES,
    max_size=4,
)  # fmt: skip
COMMANDS = st.tuples(
    st.sampled_from(["job start", "job stop", *(f"broker {each}" for each in VERBS)]), BROKERS, SETTINGS
)


@pytest.mark.fuzz
@given(st.lists(COMMANDS, max_size=4))
def test_a_command_is_done_or_one_line(commands: list[tuple[str, Any, dict[str, Any]]]) -> None:
    scheduler = Scheduler(cluster_of(2))
    for name, brokers, more in commands:
        before = scheduler.state.to_json()
        asked = {"brokers": brokers, **more}
        if refusal(lambda: scheduler.core.command(name, asked, scheduler.now_s), longest=30_000):  # noqa: B023
            assert scheduler.state.to_json() == before
    scheduler.offer_all()
    scheduler.start_again(cluster_of(2))


@pytest.mark.fuzz
@given(st.one_of(WORDS, CONSTRAINTS))
def test_a_notation_is_read_or_one_line(text: str) -> None:
    reads: list[Callable[[], object]] = [
        lambda: broker_ids(text, [0, 1], {0: {"hostname": "w0"}}),
        lambda: seconds(text),
        lambda: port_range(text),
        lambda: settings(text),
        lambda: unmet(parse_constraints(text), {"hostname": "w0"}, [{"a": "b"}]),
    ]
    for read in reads:
        refusal(read, longest=3000 + 2 * len(text))  # it quotes what the operator has typed
