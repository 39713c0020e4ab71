"""A newer version of our packages, built as the next release would be."""

import re
import shutil
from pathlib import Path

from tests.packages.machine import run

ROOT = Path(__file__).parents[2]
#: The parts of the checkout that `third_party/build-deb` needs.
_SOURCE = ("LICENSE", "debian", "docs", "grafana", "packages", "systemd", "third_party")

VERSION = f"{re.findall(r'[(](.+?)[)]', (ROOT / 'debian/changelog').read_text())[0]}.1"
_ENTRY = f"""\
sensorpi ({VERSION}) unstable; urgency=medium

  * For the tests of an upgrade.

 -- sensorpi maintainers <maintainers@users.noreply.r-seed-23440ac7.example>  Tue, 24 Nov 2026 10:00:00 +0000

"""


def newer_repository(folder: Path) -> Path:
    """A signed repository with version ``VERSION`` of our packages, and with the same jars under a higher version."""
    source, debs, repository = folder / "source", folder / "debs", folder / "repository"
    source.mkdir()
    for name in _SOURCE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, symlinks=True)
        else:
            shutil.copy(ROOT / name, source / name)
    changelog = source / "debian/changelog"
    changelog.write_text(_ENTRY + changelog.read_text())
    # The example may change with each release, and most machines use it.
    example = source / "packages/common/src/sensorpi/common/cluster/cluster.toml"
    example.write_text(example.read_text() + "# Of the next release.\n")
    run_in(source, "third_party/build-deb", "sensorpi", str(debs))
    for deb in sorted((ROOT / "dist").glob("sensorpi-[ks][ap][fa]*.deb")):
        _renumber(deb, debs, folder / "renumbered")
    for deb in sorted((ROOT / "dist").glob("python3-*.deb")):
        shutil.copy(deb, debs)
    run_in(ROOT, "third_party/make-repo", str(debs), str(repository))
    return repository


def run_in(directory: Path, *command: str) -> None:
    run("env", "-C", directory, *command)


def _renumber(deb: Path, target: Path, work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
    run("dpkg-deb", "--raw-extract", deb, work)
    control = work / "DEBIAN/control"
    version = deb.name.split("_")[1]
    control.write_text(control.read_text().replace(f"\nVersion: {version}\n", f"\nVersion: {version}+1\n"))
    run(
        "dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "--build", work, target / f"{deb.name.split('_')[0]}_new.deb"
    )
    shutil.rmtree(work)
