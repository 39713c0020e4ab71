"""piuparts: what each package leaves behind after it is removed and purged, on a Debian without a running systemd."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packages.base_root import CACHE, JAVA_HOOK, REPOSITORY, make_root
from tests.packages.test_packages_contents import DEBS, ids

pytestmark = pytest.mark.timeout(900)


def needed() -> str:
    """Debian's packages that ours depend on. They are in the root already, so that their own leftovers do not count."""
    fields = [subprocess.check_output(["dpkg-deb", "-f", deb, "Depends"], text=True) for deb in DEBS]
    names = {re.split(r"[ :|]", each.strip())[0] for field in fields for each in field.split(",")}
    return " ".join(sorted(names - {deb.name.split("_")[0] for deb in DEBS}))


@pytest.fixture(scope="module")
def base() -> Path:
    """A Debian with what our packages need. Its only source is our repository, so that piuparts needs no network."""
    root = CACHE / "bookworm-piuparts"
    make_root(root, "bookworm", needed(), JAVA_HOOK)
    for lists in (root / "var/lib/apt/lists").glob("*_*"):
        lists.unlink()
    shutil.copy(REPOSITORY / "sensorpi.gpg", root / "usr/share/keyrings/sensorpi.gpg")
    source = f"deb [signed-by=/usr/share/keyrings/sensorpi.gpg] file:{REPOSITORY} bookworm main\n"
    (root / "etc/apt/sources.list").write_text(source)
    return root


@pytest.mark.parametrize("deb", DEBS, ids=ids)
def test_nothing_is_left_behind(base: Path, deb: Path) -> None:
    command = [
        "piuparts", "-e", base, "--keep-sources-list", "--skip-minimize", "-d", "bookworm", "--no-upgrade-test",
        "--no-eatmydata", f"--bindmount={REPOSITORY}", deb,
    ]  # fmt: skip
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
