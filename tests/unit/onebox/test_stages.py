"""The parts of `make run` go on when the disk is full."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pytest_mock import MockerFixture

from onebox import stages
from onebox.home import Home, choose_ports
from onebox.stages import Stages
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
