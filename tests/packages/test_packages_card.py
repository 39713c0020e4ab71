"""A card that `sensorpi card` prepared: after its first boots the node's role runs, and later boots change nothing.

Debian takes the place of Raspberry Pi OS: trixie with cloud-init, configured as on Raspberry Pi OS, and bookworm with
stand-ins for the programs that only Raspberry Pi OS has.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from sensorpi.common.card.boot_partition import take_in
from sensorpi.common.card.wifi import pre_shared_key
from sensorpi.common.cli.main import main
from tests.fakes import cards
from tests.packages.base_root import CACHE, REPOSITORY, base_root, make_root
from tests.packages.leftovers import own_prefix
from tests.packages.machine import ADDRESS, Machine, run, wait_for
from tests.unit.common.card.test_card import KEY, SSH_KEY

pytestmark = pytest.mark.timeout(1200)

DEBS = REPOSITORY.parent
CLUSTER = f"""
[nodes.sensor01]
address = "192.0.2.99"
roles = ["sensor"]

[nodes.worker01]
address = "{ADDRESS}"
roles = ["mesos-worker"]

[nodes.master01]
address = "192.0.2.11"
roles = ["influx-grafana", "mesos-master"]
"""
SSID, PASSPHRASE = 'Käthe\'s "Café" 😀', "a passphrase"
#: The configuration of cloud-init on Raspberry Pi OS.
SEED = "datasource_list: [NoCloud, None]\ndatasource:\n  NoCloud:\n    seedfrom: file:///boot/firmware\n"
CLOUD_INIT = (
    "cloud-init dbus iproute2 netplan.io openssh-server procps python3-pkg-resources python3-smbus python3-systemd "
    "python3-voluptuous sudo systemd systemd-sysv systemd-timesyncd tzdata"
)
#: The programs of Raspberry Pi OS that the script calls. Each records its arguments.
STAND_INS = {
    "usr/lib/raspberrypi-sys-mods/imager_custom": '[ "$1" = set_hostname ] && echo "$2" >/etc/hostname',
    "usr/lib/userconf-pi/userconf": "",
}


def cloud_init_root() -> Path:
    """Debian trixie with cloud-init, configured as on Raspberry Pi OS."""
    root = CACHE / "trixie-cloud-init"
    make_root(root, "trixie", CLOUD_INIT, downloaded="python3-smbus")
    (root / "etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg").write_text(SEED)
    return root


def prepare(partition: Path, node: str, desk: Path, *options: str) -> None:
    """Run the command with all its options."""
    desk.mkdir()
    (desk / "cluster.toml").write_text(CLUSTER)
    (desk / "cluster.key").write_bytes(KEY)
    (desk / "cluster.key").chmod(0o640)
    (desk / "id.pub").write_text(SSH_KEY)
    (desk / "passphrase").write_text(PASSPHRASE)
    wifi = ["--wifi", SSID, "--passphrase", str(desk / "passphrase"), "--country", "DE"]
    zone = ["--timezone", "Europe/Berlin", "--ssh-key", str(desk / "id.pub")]
    command = ["card", str(partition), "--node", node, "--cluster", str(desk / "cluster.toml")]
    assert main([*command, *wifi, *zone, *options]) == 0


@contextlib.contextmanager
def card_in(
    base: Path, name: str, flashed: Callable[[Path], Path], node: str, *options: str
) -> Iterator[tuple[Machine, Path]]:
    """A machine with the prepared card of that node, before its first boot; and the card's boot partition."""
    folder = Path(tempfile.mkdtemp(prefix=own_prefix("machine-"), dir=CACHE))
    machine = Machine(f"{own_prefix('sp')}{name}", base, folder, REPOSITORY)
    try:
        machine.set_up()
        for known in ("etc/apt/sources.list.d/sensorpi.list", "usr/share/keyrings/sensorpi.gpg"):
            (machine.root / known).unlink(missing_ok=True)  # the card brings them
        (machine.root / "boot").mkdir(exist_ok=True)
        partition = flashed(machine.root / "boot/firmware")
        prepare(partition, node, folder / "desk", *options)
        yield machine, partition
    finally:
        machine.tear_down()


@pytest.fixture(scope="module")
def sensor() -> Iterator[Machine]:
    """A trixie sensor that installs from the repository. The tests depend on each other."""
    options = ["--repository", "file:/srv/repository", "--key", str(REPOSITORY / "sensorpi.gpg")]
    with card_in(cloud_init_root(), "t", cards.trixie, "sensor01", *options) as (machine, _):
        machine.boot()
        yield machine


@pytest.fixture(scope="module")
def worker() -> Iterator[Machine]:
    """A bookworm worker with the packages on its card. The tests depend on each other."""
    with card_in(base_root("bookworm"), "b", cards.bookworm, "worker01", "--debs", str(DEBS)) as (machine, card):
        for name, does in STAND_INS.items():
            program = machine.root / name
            program.parent.mkdir(parents=True)
            program.write_text(f'#!/bin/sh\necho "$(basename "$0")" "$@" >>/var/log/calls\n{does}\n')
            program.chmod(0o755)
        for file in card.iterdir():
            file.chmod(0o755)  # as on a mounted VFAT
        words = (card / "cmdline.txt").read_text().split()
        ours = [word for word in words if word.startswith("systemd.")]
        # Unlike the boot loader, nspawn would boot again with the same words.
        machine.boot_once(*(word.replace("=reboot", "=poweroff") for word in ours))
        machine.boot()
        yield machine


def validate(kind: str, root: Path, file: Path) -> str:
    shutil.copy(file, root / "tmp/validated")
    command = ["chroot", root, "cloud-init", "schema", "--schema-type", kind, "--config-file", "/tmp/validated"]
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    return f"{result.returncode}\n{result.stdout}{result.stderr}"


def test_cloud_inits_own_tool_finds_no_fault(tmp_path: Path) -> None:
    root = cloud_init_root()
    options = ["--repository", "http://192.0.2.5/sensorpi", "--key", str(REPOSITORY / "sensorpi.gpg")]
    with card_in(root, "v", cards.trixie, "worker01", *options) as (_, partition):
        for name, kind in (("user-data", "cloud-config"), ("network-config", "network-config")):
            verdict = validate(kind, root, partition / name)
            assert verdict.startswith("0\n"), verdict
            assert "Valid schema" in verdict
        (tmp_path / "wrong").write_text('#cloud-config\n{"hostname": 1, "user": 2}')
        assert validate("cloud-config", root, tmp_path / "wrong").startswith("1\n")


def test_a_trixie_cards_first_boot_ends_with_the_role_running(sensor: Machine) -> None:
    wait_for("cloud-init", lambda: "status: done" in sensor.try_("cloud-init", "status").stdout, 300.0)
    sensor.wait_active("sensorpi-sensor.target", "sensorpi-sensor.service", limit_s=300.0)
    wait_for("the end of the installation", lambda: sensor.state("card-install.service") == "inactive")
    assert sensor.failed() == ""


def test_it_is_that_node_with_that_user(sensor: Machine) -> None:
    assert sensor.do("hostname").strip() == "sensor01"
    assert "sensor01" in sensor.do("getent", "hosts", "sensor01")
    assert sensor.do("cat", "/run/sensorpi/node").strip() == "sensor01"
    assert sensor.do("cat", "/home/pi/.ssh/authorized_keys").strip() == SSH_KEY
    assert sensor.do("passwd", "--status", "pi").split()[1] == "L"
    assert sensor.do("runuser", "-u", "pi", "--", "sudo", "-n", "id", "-un").strip() == "root"
    assert sensor.do("readlink", "/etc/localtime").strip().endswith("Europe/Berlin")
    assert sensor.state("ssh.service") == "active"


def test_netplan_has_the_networks_name_and_the_nodes_address(sensor: Machine) -> None:
    supplicant = sensor.do("cat", "/run/netplan/wpa-wlan0.conf")
    key = pre_shared_key(PASSPHRASE, SSID)
    assert f"\n  psk={key}\n" in supplicant  # without quotes it is the key, not a passphrase
    assert "\ncountry=DE\n" in supplicant
    written = sensor.do("netplan", "get", "wifis.wlan0")
    assert yaml.safe_load(written)["addresses"] == ["192.0.2.99/24"]
    [name] = yaml.safe_load(written)["access-points"]
    assert name == SSID


def test_cloud_init_reports_no_error(sensor: Machine) -> None:
    status = json.loads(sensor.do("cloud-init", "status", "--format", "json"))
    assert (status["extended_status"], status["errors"], status["recoverable_errors"]) == ("done", [], {})


def test_the_installation_leaves_nothing_of_itself(sensor: Machine) -> None:
    left = "ls /boot/firmware/sensorpi /etc/systemd/system/card-install.service /usr/local/sbin/sensorpi-install"
    assert sensor.shell(f"{left} 2>/dev/null || true") == ""
    assert "file:/srv/repository trixie main" in sensor.do("cat", "/etc/apt/sources.list.d/sensorpi.list")


def test_the_next_boot_changes_nothing(sensor: Machine) -> None:
    watched = "find /etc /home /boot -type f -exec sha256sum {} + | sort -k 2"
    before = sensor.shell(watched)
    sensor.reboot()
    sensor.wait_active("sensorpi-sensor.service")
    wait_for("cloud-init", lambda: "status: done" in sensor.try_("cloud-init", "status").stdout, 300.0)
    assert sensor.shell(watched) == before
    assert sensor.failed() == ""


def login_prompt(machine: Machine) -> str:
    """The text above the login prompt; agetty needs a terminal."""
    return machine.do("script", "-qec", "agetty --show-issue", "/dev/null")


def test_a_mistake_on_the_boot_partition_is_seen_and_corrected(sensor: Machine) -> None:
    wait_for("the installation", lambda: not (sensor.root / "usr/local/sbin/sensorpi-install").exists(), 300.0)
    good = sensor.do("cat", "/boot/firmware/sensorpi.toml")
    (sensor.root / "boot/firmware/sensorpi.toml").write_text(good + "[sensor]\nrate = 2\n")
    sensor.reboot()
    line = "/boot/firmware/sensorpi.toml: sensor.rate = 2: unknown key"
    sensor.wait_active("sensorpi-sensor.service")
    assert line in sensor.journal("sensorpi-config.service")
    assert line in sensor.console()
    assert line in login_prompt(sensor)
    (sensor.root / "boot/firmware/sensorpi.toml").write_text(good + "[sensor]\nrate_hz = 2.0\n")
    sensor.reboot()
    sensor.wait_active("sensorpi-sensor.service")
    assert "rate_hz = 2.0" in sensor.do("cat", "/run/sensorpi/cluster.toml")
    assert "sensorpi:" not in login_prompt(sensor)


def test_a_bookworm_cards_first_boots_end_with_the_role_running(worker: Machine) -> None:
    worker.wait_active("sensorpi-mesos-worker.target", "sensorpi-kafka.service", limit_s=400.0)
    wait_for("the end of the installation", lambda: worker.state("card-install.service") == "inactive")
    assert worker.failed() == ""
    assert worker.do("cat", "/run/sensorpi/node").strip() == "worker01"


def test_the_script_calls_what_raspberry_pi_os_has(worker: Machine) -> None:
    calls = worker.do("cat", "/var/log/calls").splitlines()
    assert calls == [
        "imager_custom set_hostname worker01",
        f"imager_custom enable_ssh -k {SSH_KEY}",
        "userconf pi !",
        "imager_custom set_timezone Europe/Berlin",
        "imager_custom set_wlan_country DE",
    ]
    profile = "/etc/NetworkManager/system-connections/sensorpi.nmconnection"
    assert worker.do("stat", "-c", "%a %U", profile).strip() == "600 root"


def test_the_script_and_the_key_are_gone_from_the_card(worker: Machine) -> None:
    names = worker.do("ls", "/boot/firmware").split()
    assert not {"firstrun.sh", "cluster.key", "sensorpi"} & set(names)
    assert "systemd." not in worker.do("cat", "/boot/firmware/cmdline.txt")
    assert worker.do("stat", "-c", "%a %U:%G", "/etc/sensorpi/cluster.key").strip() == "640 root:sensorpi"
    assert (worker.root / "etc/sensorpi/cluster.key").read_bytes() == KEY
    assert worker.shell("ls /etc/apt/sources.list.d | grep sensorpi || true") == ""


def test_a_worker_starts_again_by_itself(worker: Machine) -> None:
    worker.reboot()
    worker.wait_active("sensorpi-kafka.service", limit_s=300.0)
    assert worker.failed() == ""


def test_on_a_fat_file_system_the_key_leaves_no_trace(tmp_path: Path) -> None:
    image, mounted = tmp_path / "image", tmp_path / "bootfs"
    run("mkfs.vfat", "-C", "-F", "32", image, "65536")
    mounted.mkdir()
    run("fusefat", "-o", "rw+", image, mounted)
    try:
        for file in cards.trixie(tmp_path / "flashed").iterdir():
            shutil.copyfile(file, mounted / file.name)
        repository = ["--repository", "http://192.0.2.5/sensorpi", "--key", str(REPOSITORY / "sensorpi.gpg")]
        prepare(mounted, "worker01", tmp_path / "desk", *repository)
        assert (mounted / "cluster.key").read_bytes() == KEY
        assert (mounted / "cmdline.txt.before-sensorpi").exists()
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc/cluster.toml").write_text(CLUSTER)
        assert take_in(tmp_path / "etc", tmp_path / "state", [mounted]) is not None
        assert not (mounted / "cluster.key").exists()
    finally:
        run("umount", mounted)
    wait_for("the end of fusefat", lambda: not os.path.ismount(mounted))
    content = image.read_bytes()
    assert b'node = "worker01"' in content
    assert KEY not in content
    assert (tmp_path / "etc/cluster.key").read_bytes() == KEY
