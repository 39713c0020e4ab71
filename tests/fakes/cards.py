"""Boot partitions as the images of Raspberry Pi OS have them, as far as anything here looks at them."""

from pathlib import Path

PI_GEN = (
    "Raspberry Pi reference {date}\nGenerated using pi-gen, https://github.com/RPi-Distro/pi-gen, 0123abc, stage2\n"
)
_CONFIG = "# For more options and information see\ndtparam=audio=on\nauto_initramfs=1\n[all]\n"
_CMDLINE = "console=serial0,115200 console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4 fsck.repair=yes rootwait"
FRESH = "quiet init=/usr/lib/raspberrypi-sys-mods/firstboot"


def bookworm(folder: Path, date: str = "2024-11-19") -> Path:
    """A freshly flashed bookworm."""
    return _write(folder, f"{_CMDLINE} {FRESH}\n", date)


def trixie(folder: Path, date: str = "2026-06-18") -> Path:
    """A freshly flashed trixie: cloud-init's files are there, as examples."""
    _write(folder, f"{_CMDLINE} resize\n", date)
    (folder / "user-data").write_text("#cloud-config\n\n#hostname: raspberrypi\n")
    (folder / "network-config").write_text("#network:\n#  version: 2\n")
    (folder / "meta-data").write_text("dsmode: local\ninstance_id: rpios-image\n")
    return folder


def _write(folder: Path, cmdline: str, date: str) -> Path:
    folder.mkdir()
    (folder / "cmdline.txt").write_text(cmdline)
    (folder / "config.txt").write_text(_CONFIG)
    (folder / "issue.txt").write_text(PI_GEN.format(date=date))
    for name in ("kernel8.img", "initramfs8", "start.elf"):
        (folder / name).write_bytes(b"\x00")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
