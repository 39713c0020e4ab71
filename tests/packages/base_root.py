"""Debian roots in which packages are installed: one for each suite, kept in .cache/roots."""

import shutil
import subprocess
from pathlib import Path

from images.tree import discard
from tests.packages.leftovers import DIES_WITH_US, isolate
from tests.packages.machine import run

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache/roots"
REPOSITORY = ROOT / "dist/repo"

#: What every Debian on a card has, and packages that are slow to install. The tests install the others.
_INCLUDED = (
    "ca-certificates curl dbus default-jre-headless iproute2 libjs-chart.js libzookeeper-java procps python3 "
    "python3-bottle python3-crc32c python3-influxdb python3-kazoo python3-pkg-resources python3-smbus python3-systemd "
    "python3-voluptuous python3-waitress systemd systemd-sysv"
)
#: What some tests install in addition, without a network.
_DOWNLOADED = "autopkgtest influxdb python3-hypothesis python3-jsonschema python3-pytest python3-pytest-mock"
#: OpenJDK's package cannot be configured without that folder, which a minimal root does not have.
JAVA_HOOK = '--essential-hook=mkdir -p "$1/usr/share/man/man1"'
_SOURCES = "deb [signed-by=/usr/share/keyrings/sensorpi.gpg] file:/srv/repository {suite} main\n"


def base_root(suite: str) -> Path:
    """The root of a suite, with our repository in its sources, and Debian's packages that ours need in its cache."""
    root = CACHE / suite
    make_root(root, suite, _INCLUDED, JAVA_HOOK, downloaded=_DOWNLOADED)
    add_repository(root, suite)
    return root


def make_root(root: Path, suite: str, included: str, *options: str, downloaded: str = "") -> None:
    """Make a root with the packages in ``included`` installed and those in ``downloaded`` in apt's cache, once."""
    isolate(CACHE)
    ready, contents = root / "etc/sensorpi-ready", f"{included}\n{downloaded}\n"
    if ready.exists() and ready.read_text() == contents:
        return
    discard(root)  # with what a killed run may have left mounted in it
    root.parent.mkdir(parents=True, exist_ok=True)
    download = f'--customize-hook=chroot "$1" apt-get -y --download-only --no-install-recommends install {downloaded}'
    run(
        *DIES_WITH_US, "mmdebstrap", "--variant=apt", f"--include={included.replace(' ', ',')}", download, *options,
        "--skip=cleanup/apt", suite, root,
    )  # fmt: skip
    (root / "etc/apt/apt.conf.d/90offline").write_text('Acquire::Check-Valid-Until "false";\n')
    ready.write_text(contents)


def add_repository(root: Path, suite: str) -> None:
    """Update the package lists of our repository, and keep those of Debian."""
    isolate(CACHE)
    shutil.copy(REPOSITORY / "sensorpi.gpg", root / "usr/share/keyrings/sensorpi.gpg")
    (root / "etc/apt/sources.list.d/sensorpi.list").write_text(_SOURCES.format(suite=suite))
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
