"""The other roles' cards in QEMU: storage alone, and worker and master as two machines on a virtual network."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorpi.common.share.checkpoint import MOUNT_UNIT, SHARE
from tests.image.conftest import NewCard
from tests.image.qemu import Machine, Report, boot, cable
from tests.packages.machine import wait_for

WORKER = "sensorpi-config.service card-setup.service sensorpi-kafka.service sensorpi-kafka-topics.service"
MASTER = "sensorpi-config.service card-setup.service sensorpi-checkpoint-export.service sensorpi-spark-job.service"
STORAGE = "sensorpi-config.service card-setup.service influxdb.service sensorpi-influxdb-setup.service"
#: Emulated JVMs start slowly.
LIMIT_S = 2400


def test_storage_and_dashboard_run(new_card: NewCard) -> None:
    script = f"wait_active {STORAGE} sensorpi-dashboard.service\nreport key $(ls /boot/firmware | grep -c key)"
    report = boot(new_card("influx-grafana"), script, limit_s=LIMIT_S)
    report.require_good_end()
    assert {report.values[unit] for unit in STORAGE.split()} == {"active"}
    assert report.values["sensorpi-dashboard.service"] == "active"
    assert report.values["key"] == "0"


@pytest.fixture(scope="module")
def both(new_card: NewCard) -> Iterator[tuple[Report, Report]]:
    """What worker and master reported. The first to finish waits, because the other one uses its share."""
    cards = [new_card(role) for role in ("mesos-worker", "mesos-master")]
    with tempfile.TemporaryDirectory(prefix="lan-") as folder:
        end = Path(folder, "cable")
        worker = Machine(
            cards[0],
            f"wait_active {WORKER} {MOUNT_UNIT}\n"
            f'until mountpoint -q {SHARE} || [ "$(uptime_s)" -gt {LIMIT_S} ]; do sleep 1; done\n'
            'report "share $(findmnt -n -o SOURCE,FSTYPE /var/lib/sensorpi/checkpoint)"\n'
            "until [ -e /var/lib/sensorpi/checkpoint/done ]; do sleep 1; done\n",
            limit_s=LIMIT_S,
            network=cable(end, 1),
        )
        machines = [worker]
        try:
            wait_for("the worker's end of the cable", end.exists)
            master = Machine(
                cards[1],
                f"wait_active {MASTER}\ntouch /var/lib/sensorpi/checkpoint/done\nsleep 30",
                limit_s=LIMIT_S,
                network=cable(end, 2),
            )
            machines.append(master)
            yield worker.wait(), master.wait()
        finally:
            for machine in machines:
                machine.end()


def test_a_worker_runs_and_has_mounted_the_masters_share(both: tuple[Report, Report]) -> None:
    worker, _ = both
    worker.require_good_end()
    assert {worker.values[unit] for unit in WORKER.split()} == {"active"}
    assert worker.values["share"].startswith("10.0.0.12:/var/lib/sensorpi/checkpoint nfs4")


def test_a_master_runs_the_job_on_the_workers_broker(both: tuple[Report, Report]) -> None:
    _, master = both
    master.require_good_end()
    assert {master.values[unit] for unit in MASTER.split()} == {"active"}
