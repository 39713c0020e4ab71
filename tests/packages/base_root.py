"""Debian roots to install into: one for each suite, kept in .cache/roots."""

import shutil
import subprocess
from pathlib import Path

from tests.packages.machine import run

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache/roots"
REPOSITORY = ROOT / "dist/repo"

#: What every Debian on a card has, and what it takes a minute to unpack: the tests install the rest.
_INCLUDED = (
    "ca-certificates curl dbus default-jre-headless iproute2 libjs-chart.js procps python3 python3-bottle "
    "python3-influxdb python3-pkg-resources python3-smbus python3-systemd python3-voluptuous python3-waitress "
    "systemd systemd-sysv"
)
_SOURCES = "deb [signed-by=/usr/share/keyrings/sensorpi.gpg] file:/srv/repository {suite} main\n"


def base_root(suite: str) -> Path:
    """The root of a suite, with our repository in its sources and what ours need of Debian in its cache."""
    root = CACHE / suite
    if not (root / "etc/sensorpi-ready").exists():
        shutil.rmtree(root, ignore_errors=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        # OpenJDK's package does not configure where a minimal root lacks that folder.
        hook = '--customize-hook=chroot "$1" apt-get -y --download-only --no-install-recommends install influxdb'
        run(
            "mmdebstrap", "--variant=apt", f"--include={_INCLUDED.replace(' ', ',')}", hook,
            '--essential-hook=mkdir -p "$1/usr/share/man/man1"',
            "--skip=cleanup/apt", suite, root,
        )  # fmt: skip
        (root / "etc/apt/apt.conf.d/90offline").write_text('Acquire::Check-Valid-Until "false";\n')
        (root / "etc/sensorpi-ready").touch()
    shutil.copy(REPOSITORY / "sensorpi.gpg", root / "usr/share/keyrings/sensorpi.gpg")
    (root / "etc/apt/sources.list.d/sensorpi.list").write_text(_SOURCES.format(suite=suite))
    _update(root)
    return root


def _update(root: Path) -> None:
    """Read our repository's lists, and keep those of Debian as they are."""
    target = root / "srv/repository"
    target.mkdir(parents=True, exist_ok=True)
    run("mount", "--bind", "-o", "ro", REPOSITORY, target)
    try:
        run(
            "chroot", root, "apt-get", "-q", "update", "-o", "APT::Get::List-Cleanup=false",
            "-o", "Dir::Etc::SourceList=/etc/apt/sources.list.d/sensorpi.list", "-o", "Dir::Etc::SourceParts=/dev/null",
        )  # fmt: skip
    finally:
        subprocess.run(["umount", str(target)], check=True)
