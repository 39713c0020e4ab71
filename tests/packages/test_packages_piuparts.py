"""piuparts: what each package leaves behind in a minimal Debian without systemd when it is removed and purged."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packages.base_root import CACHE, REPOSITORY, make_root
from tests.packages.machine import run
from tests.packages.test_packages_contents import DEBS, ids

pytestmark = pytest.mark.timeout(900)

#: What ours need of Debian.
NEEDED = (
    "default-jre-headless influxdb libjs-chart.js python3 python3-bottle python3-influxdb python3-pkg-resources "
    "python3-smbus python3-systemd python3-voluptuous python3-waitress systemd"
)


@pytest.fixture(scope="module")
def base() -> Path:
    """A minimal Debian whose only sources are our repository and the packages in its own cache."""
    root = CACHE / "bookworm-minimal"
    make_root(root, "bookworm", "ca-certificates", downloaded=NEEDED)
    debian = root.with_name("bookworm-minimal-debs")
    debian.mkdir(exist_ok=True)
    for deb in (root / "var/cache/apt/archives").glob("*.deb"):
        shutil.move(deb, debian / deb.name)
    packages = run("env", "-C", debian, "apt-ftparchive", "packages", ".")
    (debian / "Packages").write_text(packages)
    shutil.copy(REPOSITORY / "sensorpi.gpg", root / "usr/share/keyrings/sensorpi.gpg")
    # Debian's lists would be asked for over the network.
    (root / "etc/apt/sources.list").write_text(
        f"deb [signed-by=/usr/share/keyrings/sensorpi.gpg] file:{REPOSITORY} bookworm main\n"
        f"deb [trusted=yes] file:{debian} ./\n"
    )
    for lists in (root / "var/lib/apt/lists").glob("*_*"):
        lists.unlink()
    return root


@pytest.mark.parametrize("deb", DEBS, ids=ids)
def test_nothing_is_left_behind(base: Path, deb: Path) -> None:
    command = [
        "piuparts", "-e", base, "--keep-sources-list", "-d", "bookworm", "--no-upgrade-test", "--no-eatmydata",
        f"--bindmount={REPOSITORY}", f"--bindmount={base}-debs", "--allow-database", deb,
    ]  # fmt: skip
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
