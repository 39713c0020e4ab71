"""A card whose sensor reads an I²C bus of the kernel: i2c-stub, which only Debian's amd64 kernel has.

So this image is the usual one for an architecture that no Pi has, with a broker beside the sensor.
"""

import json
from dataclasses import replace

import pytest

from images.build import build
from images.epoch import source_date_epoch
from images.order import order
from tests.image.card import Card
from tests.image.conftest import FOLDER, REPOSITORY
from tests.image.qemu import boot

CLUSTER = """\
[nodes.bench]
address = "10.0.0.50"
roles = ["sensor", "mesos-worker"]
[nodes.elsewhere]
address = "10.0.0.51"
roles = ["mesos-master", "influx-grafana"]
"""

#: What the chips' registers hold. The BMP280's are the example of its datasheet (Bosch BST-BMP280-DS001, 3.12).
FILL = """\
import struct
import smbus
bus = smbus.SMBus(1)
calibration = (27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
for place, value in enumerate(calibration):
    bus.write_word_data(0x77, 0x88 + 2 * place, value & 0xFFFF)
raw = (415148 << 4).to_bytes(3, "big") + (519888 << 4).to_bytes(3, "big")
for register, value in {0xD0: 0x58, **dict(enumerate(raw, 0xF7))}.items():
    bus.write_byte_data(0x77, register, value)
# A bit in the number (0x20, 0x80) has two chips return several registers. The stub takes it for another register.
for register, value in {0xB4: 1000, 0xB6: 500, 0xB8: 300, 0xBA: 200}.items():
    bus.write_word_data(0x29, register, value)
# Level, and a field of 0.19 gauss to the east.
bus.write_byte_data(0x1D, 0x0F, 0x49)
control = bytes((0x57, 0xC0, 0, 0, 0x90, 0, 0))
acceleration, field = struct.pack("<3h", 0, 0, 16384), struct.pack("<3h", 0, 2375, 5625)
for first, values in ((0xA0, control), (0xA8, acceleration), (0x88, field)):
    for register, value in enumerate(values, first):
        bus.write_byte_data(0x1D, register, value)
"""
READ = """\
import kafka
consumer = kafka.KafkaConsumer("sensors", bootstrap_servers="10.0.0.50:7000", auto_offset_reset="earliest")
print(next(consumer).value.decode())
"""
#: The machine's first bus is i2c-0. There is no time server, so the script creates the file that timesyncd would.
SCRIPT = """\
modprobe i2c-piix4 && modprobe i2c-dev && modprobe i2c-stub chip_addr=0x1d,0x29,0x49,0x77
report "bus $(cat /sys/bus/i2c/devices/i2c-1/name)"
python3 /fill
touch /run/systemd/timesync/synchronized
systemctl restart sensorpi-sensor.service
wait_active sensorpi-kafka.service sensorpi-kafka-topics.service sensorpi-sensor.service
until systemctl show --value -p StatusText sensorpi-sensor.service | grep -q ' [1-9][0-9]* acknowledged'; do
    [ "$(uptime_s)" -lt 1500 ] || break; sleep 1
done
report "status $(systemctl show --value -p StatusText sensorpi-sensor.service)"
report "reading $(timeout 300 python3 /read)"
"""


def test_a_sensor_publishes_what_a_kernels_bus_measures(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = FOLDER / "i2c"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cluster.toml").write_text(CLUSTER)
    (folder / "cluster.key").write_bytes(bytes(range(32)))
    (folder / "cluster.key").chmod(0o640)
    asked = order({"ROLE": "sensor", "NODE": "bench", "CLUSTER": str(folder / "cluster.toml")})
    image = build(replace(asked, architecture="amd64"), REPOSITORY, folder, source_date_epoch())
    card = Card.flashed(image, tmp_path_factory.mktemp("i2c") / "card.img")
    card.write_root("/fill", FILL)
    card.write_root("/read", READ)
    report = boot(card, SCRIPT, board="pc", memory_mb=1536, network=("-nic", "user,model=virtio-net-pci,restrict=on"))
    report.require_good_end()
    assert report.values["bus"].startswith("SMBus stub driver")
    reading = json.loads(report.values["reading"])
    assert reading["host"] == "bench"
    assert reading["temperature"] == pytest.approx(25.08, abs=0.01)
    assert reading["pressure"] == pytest.approx(100653.27, abs=1)
    assert [reading[f"light{which}"] for which in "vrgb"] == [1000, 127, 76, 51]
    assert [reading[f"motion{axis}"] for axis in "xyz"] == [0, 0, 1]
    assert reading["heading"] == pytest.approx(90, abs=0.5)
