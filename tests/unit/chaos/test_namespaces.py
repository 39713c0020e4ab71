"""What `make chaos` does to networks and disks stays in namespaces of its own, and ends with it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.disks import Disk
from tests.chaos.network import Network
from tests.fakes.child import in_namespaces
from tests.integration.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]

_LISTENER = """
import socket
with socket.create_server(("0.0.0.0", 7000)) as server:
    while True:
        server.accept()[0].close()
"""


def answers(address: str) -> bool:
    try:
        with socket.create_connection((address, 7000), timeout=0.5):
            return True
    except OSError:
        return False


def test_a_part_is_cut_off_slowed_and_back(tmp_path: Path) -> None:
    def run() -> None:
        network = Network(tmp_path, {"kafka": "10.0.0.21", "sensor01": "10.0.0.99"})
        subprocess.Popen([*network.inside("kafka"), sys.executable, "-c", _LISTENER])
        wait_until(lambda: answers("10.0.0.21"), "an answer", 20)
        network.cut("kafka")
        assert not answers("10.0.0.21")
        network.plug("kafka")
        wait_until(lambda: answers("10.0.0.21"), "an answer", 20)
        network.slow("kafka")
        assert answers("10.0.0.21")
        network.restore_speed("kafka")
        assert answers("10.0.0.21")

    in_namespaces(run)


def test_a_disk_is_full_read_only_and_gone(tmp_path: Path) -> None:
    def run() -> None:
        disk = Disk(tmp_path / "disk", 1)
        file = disk.folder / "file"
        disk.fill(nearly=False)
        with pytest.raises(OSError, match="No space"):
            file.write_bytes(b"1")
        disk.empty()
        disk.fill(nearly=True)
        file.write_bytes(bytes(50_000))
        with pytest.raises(OSError, match="No space"):
            file.write_bytes(bytes(150_000))
        disk.empty()
        with file.open("w"):
            assert not disk.make_read_only()
        assert disk.make_read_only()
        with pytest.raises(OSError, match="Read-only"):
            file.write_bytes(b"1")
        disk.make_writable()
        file.write_bytes(b"1")

    in_namespaces(run)
    assert list((tmp_path / "disk").iterdir()) == []


def test_every_process_ends_with_the_run(tmp_path: Path) -> None:
    def run() -> None:
        program = "import os, signal, sys; print(1, flush=True); os.kill(os.getpid(), signal.SIGSTOP)"
        child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True)
        assert child.stdout is not None
        child.stdout.readline()

    marker = f"chaos-{os.getpid()}"
    os.environ["CHAOS_MARKER"] = marker
    in_namespaces(run)
    del os.environ["CHAOS_MARKER"]
    wait_until(lambda: not _with_marker(marker), "the end of every process", 10)


def _with_marker(marker: str) -> list[str]:
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"CHAOS_MARKER={marker}".encode() in environment.read_bytes():
                found.append(environment.parent.name)
        except OSError:
            continue
    return found
