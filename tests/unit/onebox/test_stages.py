"""The parts of `make run` go on when the disk is full, and start on other ports when one is taken meanwhile."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pytest_mock import MockerFixture

from onebox import stages
from onebox.home import Home
from onebox.ports import choose_ports
from onebox.process import PortTaken
from onebox.stages import Stages, started
from sensorpi.common.errors import UserError


def test_a_full_disk_does_not_end_a_run_whose_part_restarts(
    tmp_path: Path, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    home = Home(tmp_path)
    ports = choose_ports()
    parts = Stages(home, ports, home.configure(ports, 1.0))
    restarts = iter([True, False, False])
    parts.services = cast(Any, [SimpleNamespace(name="kafka", pid=1, watch=lambda: next(restarts))])
    full = UserError("endpoints.json cannot be written: No space left on device")
    write = mocker.patch.object(Home, "write_endpoints", side_effect=[full, None])
    clock = mocker.patch.object(stages, "time")
    for clock.monotonic.return_value in (0.0, 0.1, 1.0):
        parts.watch()
    assert write.call_count == 2
    assert [message.split(":")[0] for message in caplog.messages] == [
        "endpoints.json is down",
        "endpoints.json is back after 0 s.",
    ]


def test_a_port_taken_after_the_choice_moves_its_part(tmp_path: Path, mocker: MockerFixture) -> None:
    tries: list[Stages] = []

    def start(parts: Stages) -> None:
        tries.append(parts)
        if len(tries) < 3:
            raise PortTaken("kafka", "kafka failed to start: Address already in use")

    stop = mocker.patch.object(Stages, "stop")
    lock = Home(tmp_path).lock()
    assert lock is not None
    assert started(Home(tmp_path), 1.0, lock, start) is tries[-1]
    lock.close()
    used = [port for parts in tries for port in (parts.ports.kafka, parts.ports.controller)]
    assert len(used) == len(set(used)) == 6
    assert len({parts.ports.influxdb for parts in tries}) == 1
    assert tries[-1].cluster.kafka.port == tries[-1].ports.kafka
    assert stop.call_count == 2


@pytest.mark.parametrize("error", [PortTaken("kafka", "taken"), UserError("no disk"), KeyboardInterrupt()])
def test_what_does_not_start_is_stopped(tmp_path: Path, mocker: MockerFixture, error: BaseException) -> None:
    stop = mocker.patch.object(Stages, "stop")
    start = mocker.Mock(side_effect=error)
    lock = Home(tmp_path).lock()
    assert lock is not None
    with pytest.raises(type(error)):
        started(Home(tmp_path), 1.0, lock, start)
    lock.close()
    assert stop.call_count == start.call_count == (5 if isinstance(error, PortTaken) else 1)
