"""The usual ports, or others that no other program and no other run uses, outgoing connections included."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from onebox import ports as onebox_ports
from onebox.ports import USUAL_PORTS, Ports, choose_ports
from tests.fakes.listeners import listener
from tests.integration.ports import free_port, ports_in_a_row

#: Chooses the ports that it is given, prints them, and keeps them until its standard input ends.
OTHER_RUN = """
import sys
from onebox.ports import choose_ports
names = ("kafka", "controller", "influxdb", "backup", "dashboard", "grafana")
print(*vars(choose_ports(dict(zip(names, map(int, sys.argv[1:]))))).values(), flush=True)
sys.stdin.read()
"""


def usual(first: int) -> dict[str, int]:
    return {name: first + 10 * index for index, name in enumerate(USUAL_PORTS)}


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_the_next_port_is_used_where_one_is_taken(address: str) -> None:
    wanted = usual(ports_in_a_row(60))
    with closing(listener(address, wanted["kafka"])):
        chosen = vars(choose_ports(wanted))
    assert chosen == wanted | {"kafka": wanted["kafka"] + 1}


def test_no_port_is_used_twice() -> None:
    chosen = vars(choose_ports(dict.fromkeys(USUAL_PORTS, free_port())))
    assert len(set(chosen.values())) == len(USUAL_PORTS)


def test_another_parts_usual_port_is_not_taken() -> None:
    wanted = usual(ports_in_a_row(60)) | {"controller": free_port()}
    wanted["controller"] = wanted["kafka"] + 1
    with closing(listener("127.0.0.1", wanted["kafka"])):
        assert choose_ports(wanted).kafka == wanted["kafka"] + 2


def test_a_port_to_avoid_is_passed_over() -> None:
    wanted = usual(ports_in_a_row(60))
    assert choose_ports(wanted, avoid={wanted["influxdb"]}).influxdb == wanted["influxdb"] + 1


def test_none_is_one_for_outgoing_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ports_in_a_row(60)
    (tmp_path / "range").write_text(f"{first + 1}\t{first + 9}\n")
    monkeypatch.setattr(onebox_ports, "_EPHEMERAL", tmp_path / "range")
    with closing(listener("127.0.0.1", first)):
        assert choose_ports(usual(first)).kafka > first + 9


def test_two_runs_at_the_same_time_get_different_ports() -> None:
    wanted = list(map(str, usual(ports_in_a_row(60)).values()))
    command = [sys.executable, "-c", OTHER_RUN, *wanted]
    pipe = subprocess.PIPE
    runs = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    try:
        chosen = [port for run in runs if run.stdout is not None for port in run.stdout.readline().split()]
    finally:
        for run in runs:
            run.communicate()
    assert len(chosen) == len(set(chosen)) == 3 * len(USUAL_PORTS)


def test_the_ports_of_a_service() -> None:
    ports = Ports(1, 2, 3, 4, 5, 6)
    assert [ports.of(name) for name in ("kafka", "influxdb", "dashboard", "grafana", "spark")] == [
        {1, 2}, {3, 4}, {5}, {6}, set(),
    ]  # fmt: skip
