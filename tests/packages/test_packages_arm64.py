"""The sensor role on a Pi's architecture, under user emulation, and how much it adds to a minimal Debian."""

import os
from pathlib import Path

import pytest

from tests.packages.base_root import CACHE, add_repository, make_root
from tests.packages.conftest import NewMachine
from tests.packages.machine import Machine, run, wait_for

pytestmark = pytest.mark.timeout(1800)

#: Debian's name, the kernel's name for it, and the name of the emulator's registration.
DEBIAN, KERNEL, EMULATOR = "arm64", "aarch64", "qemu-aarch64"
BINFMT = Path("/proc/sys/fs/binfmt_misc")
MOST_MB = 60

#: Credentials cannot be passed to emulated programs.
NO_CREDENTIALS = "[Service]\nLoadCredential=\nImportCredential=\n"
WITH_CREDENTIALS = ("sysusers", "tmpfiles-setup", "tmpfiles-setup-dev", "tmpfiles-clean")


@pytest.fixture(scope="module")
def base() -> Path:
    """A minimal Debian, with the packages of Debian that the sensor role needs in its cache."""
    if os.uname().machine != KERNEL and not (BINFMT / EMULATOR).exists():
        if not (BINFMT / "register").exists():
            run("mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT)
        run("update-binfmts", "--enable", EMULATOR)
    root = CACHE / f"bookworm-{DEBIAN}"
    make_root(
        root, "bookworm", "dbus iproute2 systemd systemd-sysv", f"--architectures={DEBIAN}",
        downloaded="python3 python3-pkg-resources python3-smbus python3-systemd python3-voluptuous tzdata",
    )  # fmt: skip
    for service in WITH_CREDENTIALS:
        drop_in = root / f"etc/systemd/system/systemd-{service}.service.d/test.conf"
        drop_in.parent.mkdir(parents=True, exist_ok=True)
        drop_in.write_text(NO_CREDENTIALS)
    add_repository(root, "bookworm")
    return root


@pytest.fixture(scope="module")
def machine(new_machine: NewMachine, base: Path) -> Machine:
    return new_machine("bookworm", base=base)


def installed_kb(machine: Machine) -> dict[str, int]:
    lines = machine.do("dpkg-query", "-W", "-f", "${Package} ${Installed-Size}\n").splitlines()
    return {name: int(size) for name, size in (line.split() for line in lines)}


def test_the_sensor_role_is_small_and_needs_no_java(machine: Machine) -> None:
    before = installed_kb(machine)
    machine.install("sensorpi-sensor")
    after = installed_kb(machine)
    added = {name: size for name, size in after.items() if name not in before}
    assert "sensorpi-sensor" in added
    assert not [name for name in after if "jdk" in name or "jre" in name]
    assert sum(added.values()) <= MOST_MB * 1024, sorted(added.items(), key=lambda item: -item[1])[:10]


def test_its_service_runs_and_reports_what_it_waits_for(machine: Machine) -> None:
    assert machine.do("dpkg", "--print-architecture").strip() == DEBIAN
    machine.wait_active("sensorpi-sensor.target", "sensorpi-sensor.service")
    assert wait_for("a status line", lambda: machine.status("sensorpi-sensor.service")).startswith("waiting for ")
    assert machine.failed() == ""


def test_the_emulated_board_is_read_by_the_real_library(machine: Machine) -> None:
    line = machine.do("sensorpi", "sensor", "read", "--board", "emulated")
    assert "temperature" in line


def test_it_runs_again_after_a_boot(machine: Machine) -> None:
    machine.reboot()
    machine.wait_active("sensorpi-sensor.target", "sensorpi-sensor.service")
    assert machine.failed() == ""
