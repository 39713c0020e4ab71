"""Finding this machine's influxd, and judging its disk."""

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorpi.pipeline.influx.influxd import Disk, find_influxd

FIND = "from sensorpi.pipeline.influx.influxd import find_influxd as f; p = f(); print(p and p.pid, p and p.is_stopped)"


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A child of ours that is called influxd."""
    program = tmp_path / "influxd"
    shutil.copy("/bin/sleep", program)
    child = subprocess.Popen([program, "600"])
    yield child
    child.kill()
    child.wait()


def found_by_a_sibling() -> str:
    return subprocess.run([sys.executable, "-c", FIND], capture_output=True, text=True, check=True).stdout.strip()


def test_it_finds_the_influxd_of_the_same_parent(sleeper: "subprocess.Popen[bytes]") -> None:
    assert found_by_a_sibling() == f"{sleeper.pid} False"
    found = find_influxd()
    assert found is None or found.pid != sleeper.pid  # its own children are not its siblings


def test_an_influxd_that_ended_is_not_found(sleeper: "subprocess.Popen[bytes]") -> None:
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert found_by_a_sibling() == "None None"


Statvfs = namedtuple("Statvfs", "f_flag f_bavail f_frsize")


@pytest.mark.parametrize(
    ("flags", "free_mb", "problem", "refuses"),
    [
        (0, 16, None, False),
        (0, 15, "only 15 MB are free on the disk of /data, and 16 MB are needed", False),
        (0, 0, "only 0 MB are free on the disk of /data, and 16 MB are needed", True),
        (os.ST_RDONLY, 100, "the disk of /data is read-only", True),
    ],
)
def test_a_disk_is_judged(
    monkeypatch: pytest.MonkeyPatch, flags: int, free_mb: int, problem: str | None, refuses: bool
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _path: Statvfs(flags, free_mb * 256, 4096))
    assert Disk.of(Path("/data")) == Disk(problem, refuses)


def test_a_missing_folder_is_a_problem(tmp_path: Path) -> None:
    assert Disk.of(tmp_path / "none") == Disk(f"{tmp_path / 'none'}: No such file or directory", refuses=True)
