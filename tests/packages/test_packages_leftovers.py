"""What a run that is killed leaves: no mount, and nothing that the next run does not remove."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.packages.leftovers import end_stale_machines
from tests.packages.machine import cgroup_hierarchies, wait_for

#: A run that has mounted a machine's root and started its machine, which is a process in a cgroup of its own.
_RUN = """
import subprocess, sys, time
from pathlib import Path
from tests.packages.leftovers import DIES_WITH_US, own_mounts, own_prefix
from tests.packages.machine import cgroup_hierarchies, run
own_mounts()
root = Path(sys.argv[1]) / (own_prefix("machine-") + "x") / "root"
root.mkdir(parents=True)
run("mount", "-t", "tmpfs", "tmpfs", root)
run("ip", "netns", "add", own_prefix("sp") + "1")
machine = subprocess.Popen(["sleep", "600"])
for hierarchy in cgroup_hierarchies():
    cgroup = hierarchy / (own_prefix("sp") + "1")
    cgroup.mkdir()
    (cgroup / "cgroup.procs").write_text(str(machine.pid))
building = subprocess.Popen([*DIES_WITH_US, "sh", "-c", "touch $0; exec sleep 600", sys.argv[1] + "/building"])
print(machine.pid, building.pid, flush=True)
time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_run_leaves_nothing_to_the_next_one(tmp_path: Path) -> None:
    killed = subprocess.Popen([sys.executable, "-c", _RUN, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    machine, building = map(int, killed.stdout.readline().split())
    wait_for("what is being built", (tmp_path / "building").exists)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    assert not Path(f"/run/netns/sp{killed.pid}-1").exists()
    wait_for("the end of what was being built", lambda: not is_alive(building))
    assert is_alive(machine)
    end_stale_machines(tmp_path)
    assert not is_alive(machine)
    assert not list(tmp_path.glob("machine-*"))
    assert not [each for each in cgroup_hierarchies() if (each / f"sp{killed.pid}-1").exists()]


def test_a_running_runs_machine_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "machine-1-x").mkdir()
    end_stale_machines(tmp_path)
    assert (tmp_path / "machine-1-x").exists()
