"""The command line is made of what the installed packages add to it."""

from importlib.metadata import EntryPoint

import pytest

from sensorpi.common.cli import main as command


def test_a_package_of_another_release_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    former = EntryPoint("sensor", "sensorpi.common.module_of_another_release:add_commands", command.GROUP)
    monkeypatch.setattr(command, "entry_points", lambda group: [former])
    assert command.main(["config", "apply"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "finish the upgrade with apt --fix-broken install" in line
