"""What is in the built packages: each unit is enabled and started, each user made, and nothing is too large."""

import re
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.packages.machine import run

ROOT = Path(__file__).parents[2]
DEBS = sorted((ROOT / "dist").glob("*.deb"))
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
ROLES = ("sensor", "mesos-worker", "mesos-master", "influx-grafana")

pytestmark = pytest.mark.ci

ids = [deb.name.split("_")[0] for deb in DEBS]


@pytest.fixture(scope="module", params=DEBS, ids=ids)
def unpacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's files, with its control files in DEBIAN."""
    directory = tmp_path_factory.mktemp(request.param.name)
    run("dpkg-deb", "--raw-extract", request.param, directory)
    return directory


def script(unpacked: Path, name: str) -> str:
    file = unpacked / "DEBIAN" / name
    return file.read_text() if file.exists() else ""


def units(unpacked: Path, suffix: str = "") -> list[Path]:
    return sorted((unpacked / "lib/systemd/system").glob(f"*{suffix or '.*'}")) if (unpacked / "lib").exists() else []


def test_no_unit_is_where_debian_12_does_not_enable_it(unpacked: Path) -> None:
    assert not (unpacked / "usr/lib/systemd/system").exists()


def test_each_unit_is_enabled(unpacked: Path) -> None:
    for unit in units(unpacked):
        # A unit without that section is wanted by the roles' targets themselves.
        if unit.is_file() and "[Install]" in unit.read_text():
            once_enabled = f"deb-systemd-helper debian-installed '{unit.name}'" in script(unpacked, "postinst")
            assert once_enabled == unit.name.startswith("card-")
            assert f"deb-systemd-helper enable '{unit.name}'" in script(unpacked, "postinst")
            assert re.search(rf"deb-systemd-helper purge .*'{re.escape(unit.name)}'", script(unpacked, "postrm"))


def test_each_role_is_started_and_stopped_by_its_scripts(unpacked: Path) -> None:
    for target in units(unpacked, ".target"):
        assert re.search(rf'role_configured "?{target.stem}\b', script(unpacked, "postinst"))
        assert f'role_removed "{target.stem}"' in script(unpacked, "prerm")
        for service in units(unpacked, ".service"):
            assert f"Wants={service.name}" in target.read_text()


def test_debhelper_has_filled_in_every_name(unpacked: Path) -> None:
    assert [name for name in SCRIPTS if re.search("#[A-Z]+#", script(unpacked, name))] == []


def test_each_user_of_a_service_is_made(unpacked: Path) -> None:
    for service in units(unpacked, ".service"):
        parser = ConfigParser(interpolation=None, strict=False)
        parser.read(service)
        user = parser["Service"].get("user")
        if user is not None and user != "influxdb":  # which Debian's package makes
            [file] = (unpacked / "usr/lib/sysusers.d").iterdir()
            assert re.search(rf"^u {user} ", file.read_text(), re.MULTILINE)
            assert f'systemd-sysusers ${{DPKG_ROOT:+--root="$DPKG_ROOT"}} {file.name}' in script(unpacked, "postinst")


def test_maintainer_scripts_are_shell(unpacked: Path) -> None:
    for file in (unpacked / "DEBIAN").iterdir():
        if file.name in SCRIPTS:
            subprocess.run(["sh", "-n", str(file)], check=True)


def test_it_has_no_code_for_one_architecture(unpacked: Path) -> None:
    control = (unpacked / "DEBIAN/control").read_text()
    assert "\nArchitecture: all\n" in control


def test_its_size_is_as_designed(unpacked: Path) -> None:
    control = (unpacked / "DEBIAN/control").read_text()
    [name] = re.findall(r"^Package: (.*)$", control, re.MULTILINE)
    [size_kb] = re.findall(r"^Installed-Size: (.*)$", control, re.MULTILINE)
    most_mb = {"sensorpi-spark": 200, "sensorpi-kafka": 60, "python3-kafka": 5}.get(name, 1)
    assert int(size_kb) <= most_mb * 1024


def test_there_is_a_package_of_each_kind() -> None:
    assert {f"sensorpi-{role}" for role in ROLES} <= set(ids)
    assert {"sensorpi-common", "sensorpi-mesos-node", "sensorpi-pipeline", "sensorpi-kafka", "sensorpi-spark"} <= set(
        ids
    )
    assert {"python3-kafka", "python3-envirophat"} <= set(ids)


def test_ours_and_no_jar_is_fetched_by_an_upgrade() -> None:
    ours = [deb for deb in DEBS if re.match(r"sensorpi-(?!kafka|spark)", deb.name)]
    assert sum(deb.stat().st_size for deb in ours) < 2_000_000


@pytest.mark.parametrize("deb", DEBS, ids=ids)
def test_lintian_finds_neither_error_nor_warning(deb: Path) -> None:
    command = ["lintian", "--allow-root", "--fail-on", "error,warning", str(deb)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
