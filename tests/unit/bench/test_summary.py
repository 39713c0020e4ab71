"""What a run's measurements come to."""

import json

import pytest

from bench.measured import Drain, Flow
from bench.summary import Drains, measurements, summary


def drain(scenario: str, reader: str, steady: float, cpu: float = 10.0, start_s: float = 1.0) -> Drain:
    return Drain(scenario, reader, steady, steady / 2, cpu * 2, cpu, start_s, 3.0, 80.0)


def flow(reader: str, trigger_ms: int | None, rate_hz: float, p50_ms: float | None) -> Flow:
    shares = {"Kafka": 0.01, "the job": 0.02, "the job: java": 0.2}
    return Flow(reader, trigger_ms, rate_hz, 60.0, 60, p50_ms, 400.0, 0, 1.0, shares)


DRAINS = Drains(
    [
        drain("1p_1c", "job", 300.0, start_s=5.0),
        drain("4p_2c", "job", 100.0, cpu=5.0),
        drain("4p_2c", "telegraf", 100.0),
        drain("4p_2c", "influxdb", 1000.0),
        drain("4p_2c", "job", 500.0, cpu=15.0),
        drain("4p_2c", "telegraf", 200.0),
        drain("4p_2c", "job", 300.0, cpu=12.0, start_s=9.0),
    ]
)
FLOWS = [flow("job", 200, 1.0, 123.456), flow("job", 200, 10.0, 99.0), flow("telegraf", None, 1.0, 500.0),
         flow("job", 1000, 1.0, 800.0)]  # fmt: skip


def test_ratios_are_of_the_medians() -> None:
    assert summary(DRAINS, [])["ratio_to_telegraf"] == {
        "steady_4p_2c": 2.0,
        "steady_1p_1c": None,
        "cpu_per_million": 1.2,
        "cpu_per_million_with_start": 1.2,
    }


def test_start_and_memory_are_those_of_the_worse_corner() -> None:
    found = summary(DRAINS, [])
    assert (found["first_point_s"], found["first_point_cpu_s"], found["pss_mb"]) == (5.0, 3.0, 80.0)


def test_latency_and_cpu_are_those_of_make_run_at_one_a_second() -> None:
    found = summary(DRAINS, FLOWS)
    assert found["latency_ms"] == {"p50": 123.5, "p99": 400.0}
    assert found["idle_core_share"] == pytest.approx(0.22)


def test_what_was_not_measured_is_null_in_the_json() -> None:
    assert json.loads(json.dumps(summary(Drains([]), []))) == {
        "ratio_to_telegraf": dict.fromkeys(
            ("steady_4p_2c", "steady_1p_1c", "cpu_per_million", "cpu_per_million_with_start")
        ),
        "first_point_s": None,
        "first_point_cpu_s": None,
        "idle_core_share": None,
        "latency_ms": {"p50": None, "p99": None},
        "pss_mb": None,
    }


def test_every_measurement_is_in_the_json() -> None:
    found = json.loads(json.dumps(measurements(DRAINS, FLOWS)))
    assert len(found["drains"]) == len(DRAINS.drains)
    assert found["drains"][0]["first_point_s"] == 5.0
    assert [each["reader_core_share"] for each in found["flows"]] == [0.22, 0.22, 0.0, 0.22]
