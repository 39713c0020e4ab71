"""Three cold workers that are switched on one after the other, further apart than a lone voter lives by itself."""

import time
from collections.abc import Iterator

import pytest

from sensorpi.common.cluster import parse
from tests.cluster.engines import STANDALONE
from tests.cluster.fault import Recovery, Report
from tests.cluster.site import SUITE, WHOLE_S, cluster_text, install, start
from tests.packages.conftest import bridged, machines
from tests.packages.machine import Machine

pytestmark = pytest.mark.timeout(1200)

#: With Kafka's own settings a broker that waits for the others ends itself after 71 s.
APART_S = 80.0


@pytest.fixture
def cold_workers() -> Iterator[list[Machine]]:
    """The three workers of the shipped file, installed and never started."""
    text = cluster_text(STANDALONE)
    with bridged() as lan, machines() as make:
        workers = [make(SUITE, node.address, lan) for node in parse(text, "cluster.toml").workers]
        for worker in workers:
            install(worker, text, ["mesos-worker"])
        yield workers


def test_cold_workers_that_start_minutes_apart_meet(cold_workers: list[Machine], report: Report) -> None:
    began_s = time.monotonic()
    for number, worker in enumerate(cold_workers):
        time.sleep(max(0.0, began_s + number * APART_S - time.monotonic()))
        start(worker, ["mesos-worker"])
    last_s = time.monotonic() - began_s
    for worker in cold_workers:
        worker.wait_active("sensorpi-kafka.service", "sensorpi-kafka-topics.service", limit_s=WHOLE_S)
    whole_s = time.monotonic() - began_s
    assert [worker.failed() for worker in cold_workers] == [""] * 3
    report(Recovery(STANDALONE.title, f"start three cold workers {APART_S:g} s apart", last_s, None, whole_s))
