"""The tables and the plans of a run."""

import pytest

from bench.measured import TITLES, Drain, Flow
from bench.plan import FULL, QUICK, Plan
from bench.report import drain_table, flow_table
from bench.summary import LARGE, SMALL, Drains

DRAINS = Drains(
    [
        Drain("4p", "job", 30_000.0, 20_000.0, 60.0, 30.0, 6.0, 8.0, 430.0),
        Drain("4p", "job", 34_000.0, 20_000.0, 60.0, 30.0, 6.0, 8.0, 430.0),
        Drain("4p", "telegraf", 20_000.0, 19_000.0, 35.0, 34.0, 0.7, 0.5, 80.0),
        Drain("4p", "influxdb", 140_000.0),
    ]
)


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_a_row_has_the_median_with_least_and_greatest() -> None:
    _, _, job, telegraf, alone = rows(drain_table(DRAINS, {"4p": "4 partitions"}))
    assert job[:4] == ["4 partitions", "the job", "1.60", "32,000 (30,000–34,000)"]
    assert job[5:] == ["60.0", "30.0", "430", "6.0", "8.0"]
    assert telegraf[:4] == ["", "Telegraf", "–", "20,000"]
    assert alone[2:] == ["7.00", "140,000", "–", "–", "–", "–", "–", "–"]


def test_a_reader_that_was_left_out_has_no_row() -> None:
    without = Drains([each for each in DRAINS.drains if each.reader == "job"])
    _, _, *found = rows(drain_table(without, {"4p": "4 partitions", "1p": "1 partition"}))
    assert [row[1:3] for row in found] == [["the job", "–"]]


def test_processes_that_did_nothing_are_not_listed() -> None:
    flow = Flow("job", 200, 1.0, 60.0, 60, 400.0, 1234.0, 2, 0.5, {"the job": 0.02, "the job: bash": 0.0001})
    _, _, row = rows(flow_table([flow]))
    assert row == ["the job, trigger 200 ms", "1", "400", "1,200", "60 (2 missing)", "2.0", "the job 2.0%"]


def test_a_rate_that_was_not_kept_is_marked() -> None:
    flow = Flow("job", 200, 10_000.0, 60.0, 60, 400.0, 1234.0, 0, 8_300.0, {})
    assert rows(flow_table([flow]))[2][4] == "60 (sent 8,300 ms late)"


@pytest.mark.parametrize("plan", [FULL, QUICK])
def test_both_plans_compare_the_job_in_both_corners(plan: Plan) -> None:
    corners = {each.name: (each.partitions, each.cores, each.sensors) for each in plan.scenarios}
    assert corners[SMALL] == (1, 1, 8)
    assert corners[LARGE] == (4, 2, 8)
    assert all({"job", "telegraf"} <= set(each.readers) <= set(TITLES) for each in plan.scenarios)
    assert plan.job_rates[0][0] == plan.telegraf_rates[0][0] == 1.0


def test_a_plan_can_be_shortened() -> None:
    short = FULL.shortened(readings=100, repeats=1)
    assert (short.readings, {each.repeats for each in short.scenarios}) == (100, {1})
    assert FULL.shortened(None, None) == FULL
    assert FULL.scenarios[1].title == "4 partitions, 2 cores, 8 sensors"
