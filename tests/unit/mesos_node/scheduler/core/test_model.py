"""The state's format in ZooKeeper, which a scheduler of a newer version finds there after an upgrade."""

import json
from pathlib import Path

import pytest

from sensorpi.mesos_node.scheduler.core.model import state_from_json
from sensorpi.mesos_node.scheduler.core.needs import needs_of
from tests.fakes.clusters import cluster_of

STORED = (Path(__file__).parents[4] / "recordings/scheduler/state-0.1.0.json").read_text().rstrip("\n")


#: Keys that came later, with what they are after an upgrade.
LATER = {"last_restart_timed_out": False}


def test_a_stored_state_is_read_and_written_unchanged() -> None:
    assert json.loads(state_from_json(STORED).to_json()) == json.loads(STORED) | LATER


def test_keys_of_a_newer_version_are_ignored() -> None:
    newer = json.loads(STORED)
    newer["new"] = newer["restart"]["new"] = newer["workloads"]["job"]["new"] = 1
    newer["workloads"]["broker-0"]["task"]["new"] = newer["workloads"]["broker-5"]["settings"]["new"] = 1
    assert state_from_json(json.dumps(newer)) == state_from_json(STORED)


@pytest.mark.parametrize("name", ["broker-0", "broker-5"])
def test_an_upgrade_alone_needs_no_restart_of_a_task(name: str) -> None:
    workload = state_from_json(STORED).workloads[name]
    assert workload.task is not None
    assert needs_of(workload, cluster_of(1)).fingerprint == workload.task.needs
