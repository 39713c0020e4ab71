"""A sensor in QEMU beside a worker: while Kafka accepts its readings, nothing is written to its card."""

import tempfile
from pathlib import Path

from tests.image.conftest import NewCard
from tests.image.qemu import Machine, cable
from tests.packages.machine import wait_for
from tests.packages.test_packages_together import EMULATED

LIMIT_S = 1800
#: The board is emulated, because Debian's arm64 kernel has no I²C bus for tests. It counts readings and sectors.
SENSOR = """\
mkdir -p /run/systemd/system/sensorpi-sensor.service.d
cp /emulated /run/systemd/system/sensorpi-sensor.service.d/emulated.conf
systemctl daemon-reload
systemctl restart sensorpi-sensor.service
status() { systemctl show --value -p StatusText sensorpi-sensor.service; }
acknowledged() { status | sed 's/.* readings, \\([0-9]*\\) .*/\\1/'; }
sectors() { awk '{ print $7 }' /sys/block/vda/stat; }
until [ "$(acknowledged)" -ge 5 ] 2>/dev/null || [ "$(uptime_s)" -gt 1500 ]; do sleep 1; done
sync
before=$(sectors) first=$(acknowledged)
sleep 60
report "written $(($(sectors) - before))"
report "taken $(($(acknowledged) - first))"
report "status $(status)"
"""


def test_a_sensor_writes_nothing_while_kafka_accepts_readings(new_card: NewCard) -> None:
    sensor_card, worker_card = new_card("sensor"), new_card("mesos-worker")
    sensor_card.write_root("/emulated", EMULATED)
    with tempfile.TemporaryDirectory(prefix="lan-") as folder:  # short: a socket's path
        end = Path(folder, "cable")
        worker = Machine(worker_card, "sleep 3600", limit_s=LIMIT_S, network=cable(end, 1))
        try:
            wait_for("the worker's end of the cable", end.exists)
            sensor = Machine(sensor_card, SENSOR, limit_s=LIMIT_S, network=cable(end, 2))
            try:
                report = sensor.wait()
            finally:
                sensor.end()
        finally:
            worker.end()
    report.require_good_end()
    assert int(report.values["taken"]) > 30
    assert report.values["written"] == "0"
