"""Which keys of cluster.toml restart the job, InfluxDB's set-up and the publisher: those that each reads, no other.

A key that a later version adds must be decided upon here; at its default it restarts nothing.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.cluster.schema import InfluxdbSettings, SensorSettings, SparkSettings
from sensorpi.common.config.systemd_unit import SystemdUnit
from sensorpi.pipeline.systemd_units import systemd_units as pipeline_units
from sensorpi.sensor.systemd_units import systemd_units as sensor_units
from tests.fakes.clusters import shipped

ONLY_WHERE_IT_COMPUTES_ELSEWHERE = {"executor_heap_mb", "worker_cores", "first_port", "mesos_native_library"}
SPARK_KEYS = {key.name for key in fields(SparkSettings)}

#: Section, unit, node, and the section's keys that the unit reads.
READ: dict[str, tuple[str, str, str, set[str]]] = {
    "job": (
        "spark", "sensorpi-spark-job.service", "master02", SPARK_KEYS - ONLY_WHERE_IT_COMPUTES_ELSEWHERE,
    ),
    "job, InfluxDB": ("influxdb", "sensorpi-spark-job.service", "master02", {"port", "raw_retention_days"}),
    "set-up": (
        "influxdb", "sensorpi-influxdb-setup.service", "master01", {"port", "backup_port", "raw_retention_days"},
    ),
    "publisher": ("sensor", "sensorpi-sensor.service", "sensor01", {"rate_hz", "clock_tolerance_s"}),
}  # fmt: skip

SECTIONS = {"spark": SparkSettings, "influxdb": InfluxdbSettings, "sensor": SensorSettings}
CASES = [(case, key.name) for case, (section, *_) in READ.items() for key in fields(SECTIONS[section])]


def settings_of(cluster: Cluster, node: str, unit: str) -> str:
    all_units: list[Callable[[Cluster, Node, bytes | None], list[SystemdUnit]]] = [pipeline_units, sensor_units]
    found = [each for units in all_units for each in units(cluster, cluster.node(node), b"k" * 32)]
    return next(each.settings for each in found if each.name == unit)


def with_another(cluster: Cluster, section: str, key: str) -> Cluster:
    before: Any = getattr(cluster, section)
    value = getattr(before, key)
    other = "local[7]" if key == "master" else f"{value}x" if isinstance(value, str) else value + 1
    return replace(cluster, **{section: replace(before, **{key: other})})


@pytest.mark.parametrize(("case", "key"), CASES)
def test_a_unit_is_restarted_for_what_it_reads(case: str, key: str) -> None:
    section, unit, node, read = READ[case]
    before, after = shipped(), with_another(shipped(), section, key)
    assert (settings_of(before, node, unit) != settings_of(after, node, unit)) is (key in read)


@pytest.mark.parametrize("key", sorted(SPARK_KEYS))
def test_a_job_that_computes_on_a_cluster_reads_every_key(key: str) -> None:
    remote = replace(shipped(), spark=replace(shipped().spark, master="spark://10.0.0.12:7077"))
    after = with_another(remote, "spark", key)
    unit, node = "sensorpi-spark-job.service", "master02"
    assert settings_of(remote, node, unit) != settings_of(after, node, unit)


def test_no_unit_compares_a_whole_section() -> None:
    for node in shipped().nodes:
        for unit in (*pipeline_units(shipped(), node, b"k" * 32), *sensor_units(shipped(), node, None)):
            assert "Settings(" not in unit.settings
