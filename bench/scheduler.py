"""What the scheduler needs while it holds three brokers and the job: its CPU and memory, for an hour by default.

Real ZooKeeper, and the stand-in for Mesos that the tests have; ARGS="--real-mesos" takes the one on PATH. The tasks
are stand-ins, which only listen and wait: none but the scheduler's own process is measured. Run by
`make bench-scheduler`; prints a line for results.md.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from tests.integration.scheduler_fixture import SchedulerCluster

_SAMPLE_S = 5.0


def main() -> None:
    """Start everything, wait until all runs, and measure from there on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--real-mesos", action="store_true", help="mesos-master and mesos-agent on PATH")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="sensorpi-bench-") as folder,
        SchedulerCluster(Path(folder), real_mesos=options.real_mesos) as cluster,
    ):
        cluster.settle()
        print(_measure(cluster, options.seconds))


def _measure(cluster: SchedulerCluster, longest_s: float) -> str:
    """What the scheduler that runs takes within that time, in which nothing is done."""
    process = cluster.schedulers[0].process
    assert process is not None
    began_s, start_cpu_s, rss_mb = time.monotonic(), _cpu_s(process.pid), list[float]()
    while (seconds := time.monotonic() - began_s) < longest_s:
        time.sleep(min(_SAMPLE_S, longest_s - seconds))
        rss_mb.append(_memory_mb(process.pid, "VmRSS"))
        if sys.stderr.isatty():
            print(f"\r{seconds:.0f} s, {rss_mb[-1]:.1f} MB", end="", file=sys.stderr, flush=True)
    cpu_s = _cpu_s(process.pid) - start_cpu_s
    assert cluster.states() == ["running"] * 3, cluster.log()
    starts = {name: len(cluster.starts(name)) for name in ("broker-0", "broker-1", "broker-2", "job")}
    assert set(starts.values()) == {1}, f"a task was started again: {starts}\n{cluster.log()}"
    return (
        f"{seconds:.0f} s on {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}:"
        f" {cpu_s:.1f} s of CPU, {cpu_s / seconds:.3%} of a core; RSS {rss_mb[0]:.1f} MB at first,"
        f" {max(rss_mb):.1f} MB at most (peak since its start {_memory_mb(process.pid, 'VmHWM'):.1f} MB);"
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
