"""A package of a Mesos build, made of made-up installations."""

import io
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[3] / "third_party/mesos-deb"

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="not on a Debian system")

MASTER = "#!/bin/sh\necho mesos 1.11.0\n"
USUAL = {
    "./usr/sbin/mesos-master": MASTER,
    "./usr/sbin/mesos-agent": "#!/bin/sh\n",
    "./usr/lib/libmesos.la": "",
    "./usr/include/mesos/mesos.hpp": "",
    "./usr/lib/systemd/system/mesos-master.service": "[Service]\nExecStart=/usr/sbin/mesos-master\n",
    "./etc/init.d/mesos-master": "",
    "./usr/share/mesos/webui/index.html": "",
}


def tarball(directory: Path, files: Mapping[str, str | bytes]) -> Path:
    path = directory / "mesos-install.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            content = text.encode() if isinstance(text, str) else text
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.uid = len(content), 0o755, 1000
            archive.addfile(member, io.BytesIO(content))
    return path


def make(directory: Path, *options: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [str(word) for word in (TOOL, directory / "mesos-install.tar.gz", directory / "dist", *options)]
    return subprocess.run(command, capture_output=True, text=True)


def listing(package: Path) -> dict[str, str]:
    """Each file's mode and owner."""
    lines = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, check=True).stdout.splitlines()
    rows = (line.split(maxsplit=5) for line in lines)
    return {row[5]: f"{row[0]} {row[1]}" for row in rows if not row[5].endswith("/")}


def field(package: Path, name: str) -> str:
    return subprocess.run(["dpkg-deb", "-f", package, name], capture_output=True, text=True, check=True).stdout.strip()


def test_an_installation_becomes_a_package_that_starts_nothing(tmp_path: Path) -> None:
    tarball(tmp_path, USUAL)
    result = make(tmp_path)
    assert result.returncode == 0, result.stderr
    host = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True).stdout.strip()
    package = tmp_path / f"dist/mesos_1.11.0_{host}.deb"
    assert result.stdout == f"{package}\n"
    assert listing(package) == {
        "./usr/sbin/mesos-agent": "-rwxr-xr-x root/root",
        "./usr/sbin/mesos-master": "-rwxr-xr-x root/root",
        "./usr/share/mesos/webui/index.html": "-rwxr-xr-x root/root",
    }
    assert (field(package, "Package"), field(package, "Conflicts")) == ("mesos", "aventer-mesos")
    subprocess.run(["dpkg-deb", "-e", package, tmp_path / "scripts"], check=True)
    assert {path.name for path in (tmp_path / "scripts").iterdir()} == {"control", "triggers"}


def test_a_program_of_this_machine_brings_its_dependencies(tmp_path: Path) -> None:
    program = Path("/bin/sleep").read_bytes()
    tarball(tmp_path, {"usr/local/sbin/mesos-master": program, "usr/local/sbin/mesos-agent": program})
    result = make(tmp_path, "--version", "1.12.0-1")
    assert result.returncode == 0, result.stderr
    [package] = (tmp_path / "dist").iterdir()
    assert package.name.startswith("mesos_1.12.0-1_")
    if shutil.which("dpkg-shlibdeps"):
        assert field(package, "Depends").startswith("libc6 ")


ARM64 = b"\x7fELF\x02\x01" + bytes(12) + b"\xb7\x00" + bytes(44)


def test_a_program_of_another_machine_says_which(tmp_path: Path) -> None:
    tarball(tmp_path, {"usr/sbin/mesos-master": ARM64, "usr/sbin/mesos-agent": ARM64})
    assert make(tmp_path, "--version", "1.11.0").returncode == 0
    [package] = (tmp_path / "dist").iterdir()
    assert field(package, "Architecture") == "arm64"
    result = make(tmp_path, "--version", "1.11.0", "--architecture", "amd64")
    assert (result.returncode, result.stderr) == (2, "mesos-deb: ARCH=amd64: mesos-master is made for arm64\n")


@pytest.mark.parametrize(
    ("files", "options", "line"),
    [
        ({"usr/sbin/mesos-master": MASTER}, [], "mesos-agent is in none of usr/sbin, "),
        ({"opt/mesos/mesos-master": MASTER}, [], "mesos-master is in none of usr/sbin, "),
        ({**USUAL, "./usr/sbin/mesos-master": "#!/bin/sh\n"}, [], "--version cannot be run here; say VERSION="),
        (USUAL, ["--version", "newest"], 'VERSION="newest": expected a Debian version'),
        ({"../outside": ""}, [], "cannot be unpacked: "),
        ({}, [], "mesos-master is in none of usr/sbin, "),
    ],
)
def test_a_tarball_that_will_not_do_is_one_line(
    tmp_path: Path, files: dict[str, str | bytes], options: list[str], line: str
) -> None:
    tarball(tmp_path, files)
    result = make(tmp_path, *options)
    assert (result.returncode, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert line in result.stderr


def test_results_that_cannot_be_written_are_one_line(tmp_path: Path) -> None:
    tarball(tmp_path, USUAL)
    (tmp_path / "dist").write_text("")
    result = make(tmp_path)
    assert (result.returncode, result.stderr) == (2, f"mesos-deb: {tmp_path}/dist: File exists\n")


def test_what_is_no_tarball_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mesos-install.tar.gz").write_text("no tarball")
    result = make(tmp_path)
    assert result.returncode == 2
    assert "mesos-install.tar.gz: cannot be unpacked: " in result.stderr
