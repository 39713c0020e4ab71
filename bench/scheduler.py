"""What the scheduler needs while it holds three brokers and the job: its CPU and memory, for an hour by default.

ZooKeeper is real, the brokers and the job are stand-ins that only listen: nothing but the scheduler's own process is
measured. Run by `make bench-scheduler`, which takes the tests' stand-in for Mesos unless MESOS names another folder;
prints a line for results.md.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from bench.mesos_cluster import MesosCluster, mesos_cluster

_SAMPLE_S = 5.0


def main() -> None:
    """Start everything, wait until all of it runs, and measure from there on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--mesos", type=Path, required=True, help="folder of mesos-master and mesos-agent")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="sensorpi-bench-") as folder,
        mesos_cluster(Path(folder), options.mesos.absolute()) as cluster,
    ):
        print(_measure(cluster, options.seconds))


def _measure(cluster: MesosCluster, longest_s: float) -> str:
    """What the scheduler takes within that time, in which nothing happens."""
    pid, tasks = cluster.scheduler.pid, cluster.tasks()
    assert pid is not None
    began_s, start_cpu_s, rss_mb = time.monotonic(), _cpu_s(pid), list[float]()
    while (seconds := time.monotonic() - began_s) < longest_s:
        time.sleep(min(_SAMPLE_S, longest_s - seconds))
        rss_mb.append(_memory_mb(pid, "VmRSS"))
        if sys.stderr.isatty():
            print(f"\r{seconds:.0f} s, {rss_mb[-1]:.1f} MB", end="", file=sys.stderr, flush=True)
    cpu_s = _cpu_s(pid) - start_cpu_s
    assert cluster.tasks() == tasks, f"not the tasks of the beginning, {tasks}: {cluster.workloads()}"
    return (
        f"{seconds:.0f} s on {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}:"
        f" {cpu_s:.1f} s of CPU, {cpu_s / seconds:.3%} of a core; RSS {rss_mb[0]:.1f} MB at first,"
        f" {max(rss_mb):.1f} MB at most (peak since its start {_memory_mb(pid, 'VmHWM'):.1f} MB);"
        f" {start_cpu_s:.1f} s of CPU before, for its start"
    )


def _cpu_s(pid: int) -> float:
    """User and system time of a process."""
    user, system = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int, name: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
