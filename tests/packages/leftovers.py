"""A run of the tests that is killed leaves nothing that is in the way of the next one.

Mounts, and the network namespaces that `ip` mounts, are in a mount namespace of the run's own. What a killed run leaves
all the same are machines, which the next run ends, and files, which it removes.
"""

import ctypes
import os
import signal
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from images.tree import discard
from tests.packages.machine import cgroup_hierarchies, run

_CLONE_NEWNS = 0x00020000

#: Where `ip` makes a file for each network namespace.
_NETWORKS = Path("/run/netns")

#: Put before a command: when this process dies, the command and all that it has started die as well.
DIES_WITH_US = (
    "setpriv",
    "--pdeathsig",
    "KILL",
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
)


@cache
def isolate(folder: Path) -> None:
    """Once in this process: give it mounts of its own, and remove what killed runs have left in ``folder``."""
    own_mounts()
    end_stale_machines(folder)


def own_mounts() -> None:
    """Give this process, and what it starts from now on, a mount namespace that ends with them; needs root."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "cannot make a mount namespace")
    run("mount", "--make-rprivate", "/")
    _NETWORKS.mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "tmpfs", _NETWORKS)


def own_prefix(what: str) -> str:
    """The beginning of the name of a machine's cgroup ("sp") or folder ("machine-"), which tells which run it is of."""
    return f"{what}{os.getpid()}-"


def end_stale_machines(folder: Path) -> None:
    """End the machines of killed runs whose files are in ``folder``, and remove those."""
    for machine in sorted(folder.glob("machine-*-*")):
        run_of = machine.name.split("-")[1]
        if not _is_over(run_of):
            continue
        for hierarchy in cgroup_hierarchies():
            for cgroup in hierarchy.glob(f"sp{run_of}-*"):
                _kill_all(cgroup)
        discard(machine)


def _is_over(run_of: str) -> bool:
    """Whether the process of that run has ended; its parent may not have taken note."""
    try:
        return Path(f"/proc/{run_of}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _kill_all(cgroup: Path, limit_s: float = 30.0) -> None:
    """Kill the processes of a cgroup and of those below, and remove them all."""
    deadline = time.monotonic() + limit_s
    while cgroup.exists():
        assert time.monotonic() < deadline, f"{cgroup}: its processes do not end"
        for below, _, _ in os.walk(cgroup, topdown=False):
            with suppress(OSError):
                for pid in (Path(below) / "cgroup.procs").read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
            with suppress(OSError):  # not empty yet
                Path(below).rmdir()
        time.sleep(0.05)
