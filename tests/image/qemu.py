"""Boots a card in QEMU, with the card's own kernel and initrd, and reads what a test's script in it reports."""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.image.card import Card

#: Marks the lines of the script on the console. Other lines come from the kernel and systemd.
_MARK = "PROOF"
#: The kernel's command line. The Pi 3's first serial port is used by Bluetooth. A started watchdog resets QEMU's Pi 3.
#: QEMU's Zero does not have the bridge that the driver of the power domains looks for.
_WORDS = {
    "virt": "console=ttyAMA0", "raspi3b": "console=ttyS1 systemd.watchdog_sec=off",
    "raspi0": "console=ttyAMA0 systemd.watchdog_sec=off initcall_blacklist=bcm2835_power_driver_init",
    "pc": "console=ttyS0",
}  # fmt: skip
_PATIENCE = "systemd.default_timeout_start_sec=900"
_UNIT = """\
[Unit]
Description=What a test wants to know
[Service]
ExecStart=/bin/sh /proof
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
"""
_SCRIPT = """\
report() {{ printf '\\n{mark} %s\\n' "$*"; }}
uptime_s() {{ cut -d. -f1 /proc/uptime; }}
wait_active() {{
    for unit in "$@"; do
        until systemctl -q is-active "$unit" || [ "$(uptime_s)" -gt {limit_s} ]; do sleep 1; done
        report "$unit $(systemctl is-active "$unit")"
        systemctl -q is-active "$unit" || journalctl -q --no-pager -o cat -n 25 -u "$unit"
    done
}}
{script}
report "failed $(systemctl --failed --plain --no-legend | cut -d' ' -f1 | tr '\\n' ' ')"
report "uptime $(uptime_s)"
report end
systemctl poweroff
"""


@dataclass(frozen=True)
class Report:
    """What the script reported, by its first words, and the whole console."""

    values: dict[str, str]
    console: str
    status: int

    def require_good_end(self) -> None:
        """Check that the script has ended, no unit has failed, and the machine has shut down."""
        tail = self.console[-6000:]
        assert "end" in self.values, tail
        assert self.values["failed"] == "", tail
        assert self.status == 0, tail


class Machine:
    """A running QEMU with a card in it."""

    def __init__(
        self, card: Card, script: str, *, board: str = "virt", memory_mb: int = 1024, limit_s: int = 1200,
        network: Sequence[str] = ("-nic", "none"),
    ) -> None:  # fmt: skip
        """``script`` runs in it as root, with ``report WORD …`` and ``wait_active UNIT …``."""
        self._limit_s = limit_s
        self._folder = tempfile.TemporaryDirectory(prefix="qemu-")
        folder = Path(self._folder.name)
        self._console = folder / "console"
        card.write_root("/proof", _SCRIPT.format(mark=_MARK, script=script, limit_s=limit_s))
        card.write_root("/etc/systemd/system/proof.service", _UNIT)
        # What takes a Pi seconds can take minutes under emulation on a busy machine.
        card.write_root("/etc/fstab", card.read_root("/etc/fstab").replace("timeout=180s", "timeout=900s"))
        card.link_root("/etc/systemd/system/multi-user.target.wants/proof.service", "../proof.service")
        config = card.boot_text("config.txt")
        kernel, initrd = (_setting(config, name) for name in ("kernel=", "initramfs "))
        for name in (kernel, initrd):
            (folder / name).write_bytes(card.read_boot(name))
        given = [word for word in card.boot_text("cmdline.txt").split() if not word.startswith("console=")]
        line = [*given, _WORDS[board], "loglevel=4", "systemd.show_status=yes", _PATIENCE]
        command = [
            *_board(board, card, folder, memory_mb), "-accel", "tcg,thread=multi", "-kernel", folder / kernel,
            "-initrd", folder / initrd, "-append", " ".join(line), *network, "-no-reboot", "-display", "none",
            "-monitor", "none", "-serial", f"file:{self._console}",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def wait(self) -> Report:
        """Wait until its script has shut it down; kill it if that takes far too long."""
        try:
            output, _ = self._process.communicate(timeout=self._limit_s + 600)
        except subprocess.TimeoutExpired:
            self._process.kill()
            output, _ = self._process.communicate()
        console = output.decode() + self._console.read_text(errors="replace").replace("\r", "")
        self._folder.cleanup()
        values = dict(re.findall(rf"(?m)^{_MARK} (\S+) ?(.*?)\s*$", console))
        return Report(values, console, self._process.returncode)

    def end(self) -> None:
        """Kill it if it is still running."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._folder.cleanup()


def boot(card: Card, script: str, **options: object) -> Report:
    """Boot the card alone, and wait until it has shut down."""
    machine = Machine(card, script, **options)  # type: ignore[arg-type]
    try:
        return machine.wait()
    finally:
        machine.end()


def cable(end: Path, number: int) -> list[str]:
    """A network between two machines. The first one to connect (``number`` 1) creates the socket ``end``."""
    stream = f"stream,id=lan,server={'on' if number == 1 else 'off'},addr.type=unix,addr.path={end}"
    return ["-netdev", stream, "-device", f"virtio-net-device,netdev=lan,mac=52:54:00:00:00:{number:02x}"]


def _board(board: str, card: Card, folder: Path, memory_mb: int) -> list[str | Path]:
    drive = f"file={card.path},format=raw,id=card"
    memory = ["-m", str(memory_mb)]
    if board == "virt":
        disk = ["-drive", f"{drive},if=none", "-device", "virtio-blk-device,drive=card", "-device", "virtio-rng-device"]
        return ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-smp", "2", *memory, *disk]
    if board == "pc":
        disk = ["-drive", f"{drive},if=virtio", "-device", "virtio-rng-pci"]
        return ["qemu-system-x86_64", "-M", "pc", "-smp", "2", *memory, *disk]
    tree = folder / "board.dtb"
    sd_card: list[str | Path] = ["-dtb", tree, "-drive", f"{drive},if=sd"]
    if board == "raspi0":
        tree.write_bytes(card.read_boot("bcm2835-rpi-zero.dtb"))
        return ["qemu-system-arm", "-M", board, *sd_card]
    tree.write_bytes(card.read_boot("bcm2837-rpi-3-b.dtb"))
    return ["qemu-system-aarch64", "-M", board, *sd_card, "-serial", "null"]


def _setting(config: str, name: str) -> str:
    return next(line.removeprefix(name).strip() for line in config.splitlines() if line.startswith(name))
