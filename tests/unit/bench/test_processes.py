"""Which processes belong to a program, and what they take."""

import os
import subprocess
import sys

from bench.processes import Process, cpu_s, family, parse_stat, pss_mb

TICKS = os.sysconf("SC_CLK_TCK")


def process(pid: int, parent: int, session: int) -> Process:
    return Process(pid, parent, session, "x", 0.0)


def test_a_name_may_contain_spaces_and_parentheses() -> None:
    times = f"{TICKS} {2 * TICKS} {3 * TICKS} {4 * TICKS}"
    found = parse_stat(f"42 (a (b) c) S 7 42 41 0 -1 4194304 1 2 3 4 {times} 20 0 1 0 123 456 789\n")
    assert found == Process(pid=42, parent=7, session=41, name="a (b) c", cpu_s=10.0)


def test_a_family_has_descendants_in_other_sessions_too() -> None:
    child, grandchild, orphan, stranger = process(2, 1, 1), process(3, 2, 3), process(4, 0, 3), process(5, 0, 5)
    found = family(1, [stranger, orphan, grandchild, child, process(1, 0, 1)])
    assert {each.pid for each in found} == {1, 2, 3, 4}


def test_a_child_that_has_ended_counts() -> None:
    burn = "import os, sys\nwhile sum(os.times()[:2]) < float(sys.argv[1]): pass"
    program = (
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}, '0.3'])\nprint(flush=True)\ninput()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        assert cpu_s(running.pid) >= 0.3
        assert pss_mb(running.pid) > 1
        running.communicate(b"\n")
