"""A mistake in the configuration is seen at the login prompt and by the activity LED, and gone once it is mended."""

import os
from pathlib import Path

import pytest

from sensorpi.common.card.boot_partition import take_in, waits
from sensorpi.common.cli.main import main
from sensorpi.common.cluster.model import example_text
from sensorpi.common.config import apply_command, mistake_signs
from sensorpi.common.config.apply import Places
from tests.fakes.clusters import ONE_NODE


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def leds(tmp_path: Path) -> Path:
    """What the kernel shows of a Pi's LEDs."""
    for name, trigger in (("ACT", "none timer [mmc0]\n"), ("PWR", "none [default-on]\n")):
        led = tmp_path / "leds" / name
        led.mkdir(parents=True)
        (led / "trigger").write_text(trigger)
    return tmp_path / "leds"


def texts(led: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in led.iterdir()}


def test_a_mistake_stands_at_the_login_prompt(run: Path, leds: Path) -> None:
    mistake_signs.show(["a\\b: wrong", "c: wrong as well"], run, leds)
    assert (run / "mistake.issue").read_text() == "sensorpi: a\\\\b: wrong\nsensorpi: c: wrong as well\n"


def test_a_prompt_that_stands_there_already_is_written_again(run: Path, leds: Path) -> None:
    reload = run.with_name("agetty.reload")
    reload.touch()
    for mistakes in (["wrong"], []):
        os.utime(reload, (1, 1))
        mistake_signs.show(mistakes, run, leds)
        assert reload.stat().st_mtime > 1
    os.utime(reload, (1, 1))
    mistake_signs.show([], run, leds)
    assert reload.stat().st_mtime == 1


@pytest.mark.parametrize("name", ["ACT", "led0"])
def test_the_activity_led_blinks(run: Path, leds: Path, name: str) -> None:
    (leds / "ACT").rename(leds / name)
    mistake_signs.show(["wrong"], run, leds)
    assert texts(leds / name) == {"trigger": "timer", "delay_on": "100", "delay_off": "100"}
    assert texts(leds / "PWR") == {"trigger": "none [default-on]\n"}


def test_it_does_what_it_did_before_once_that_is_mended(run: Path, leds: Path) -> None:
    mistake_signs.show(["wrong"], run, leds)
    (leds / "ACT/trigger").write_text("none [timer] mmc0\n")  # so the kernel shows it
    mistake_signs.show(["still wrong"], run, leds)
    mistake_signs.show([], run, leds)
    assert (leds / "ACT/trigger").read_text() == "mmc0"
    assert not (run / "mistake.issue").exists()


def test_a_good_configuration_touches_no_led(run: Path, leds: Path) -> None:
    mistake_signs.show([], run, leds)
    assert texts(leds / "ACT") == {"trigger": "none timer [mmc0]\n"}


def test_a_machine_without_the_led_has_the_line_at_least(run: Path, tmp_path: Path) -> None:
    mistake_signs.show(["wrong"], run, tmp_path / "none")
    assert (run / "mistake.issue").exists()
    mistake_signs.show([], run, tmp_path / "none")
    assert not (run / "mistake.issue").exists()


class Node:
    """A node's folders, and the command as its service runs it at a boot."""

    def __init__(self, folder: Path) -> None:
        self.boot, self.etc, self.run, self.lib = (folder / name for name in ("boot", "etc", "rendered", "lib"))
        self.boot.mkdir()
        self.etc.mkdir()
        (self.etc / "cluster.toml").write_text(ONE_NODE)
        (self.etc / "node").write_text("box\n")

    def apply(self, *options: str) -> int:
        return main(["config", "apply", "--config", str(self.etc), *options])

    def issue(self) -> str:
        file = self.run / "mistake.issue"
        return file.read_text() if file.exists() else ""


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leds: Path) -> Node:
    node = Node(tmp_path)
    monkeypatch.setattr(apply_command, "take_in", lambda config, state: take_in(config, state, [node.boot]))
    monkeypatch.setattr(apply_command, "waits", lambda state: waits(state, [node.boot]))
    monkeypatch.setattr(apply_command, "Places", lambda config: Places(config, node.run, node.lib))
    monkeypatch.setattr(mistake_signs, "LEDS", leds)
    monkeypatch.setattr(apply_command, "_SYSTEMD_RUNS", tmp_path / "no-systemd")
    return node


def test_a_mistake_on_the_boot_partition_shows_until_corrected(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    (node.boot / "sensorpi.toml").write_text(ONE_NODE + "[sensor]\nrate = 1\n")
    assert node.apply("--boot") == 0
    line = f"sensorpi: {node.boot}/sensorpi.toml: sensor.rate = 1: unknown key; "
    assert node.issue().startswith(line)
    assert line in capsys.readouterr().err
    assert "box" in (node.run / "node").read_text()  # what was there serves
    (node.boot / "sensorpi.toml").write_text(ONE_NODE + "[sensor]\nrate_hz = 2.0\n")
    assert node.apply("--boot") == 0
    assert node.issue() == ""
    assert "rate_hz = 2.0" in (node.etc / "cluster.toml").read_text()


def test_a_mistake_in_a_first_configuration_starts_nothing(node: Node, leds: Path) -> None:
    (node.etc / "cluster.toml").write_text("engine = 1\n" + example_text())
    assert node.apply("--boot") == 2
    assert "engine = 1" in node.issue()
    assert texts(leds / "ACT")["trigger"] == "timer"
    assert not (node.run / "cluster.toml").exists()


def test_a_mistake_that_the_last_good_copy_covers_is_shown(node: Node) -> None:
    node.apply("--boot")
    (node.etc / "cluster.toml").write_text("engine = 1\n" + example_text())
    assert node.apply("--boot") == 0
    assert node.issue().endswith("; the last good configuration is used\n")


def test_a_mistake_on_a_running_node_is_shown_in_the_terminal(node: Node) -> None:
    node.apply("--boot")
    (node.etc / "cluster.toml").write_text("engine = 1\n" + example_text())
    assert node.apply() == 2
    assert node.issue() == ""


def test_correcting_a_running_node_removes_the_line(node: Node) -> None:
    (node.etc / "cluster.toml").write_text("engine = 1\n" + example_text())
    node.apply("--boot")
    (node.etc / "cluster.toml").write_text(ONE_NODE)
    assert node.apply() == 0
    assert node.issue() == ""


def test_a_new_role_leaves_the_boot_partitions_mistake_shown(node: Node) -> None:
    (node.boot / "sensorpi.toml").write_text(ONE_NODE + "[sensor]\nrate = 1\n")
    node.apply("--boot")
    assert node.apply() == 0
    assert "sensor.rate = 1" in node.issue()
    (node.boot / "sensorpi.toml").write_text(ONE_NODE)
    node.apply("--boot")
    assert node.issue() == ""
    assert node.apply() == 0


def test_repeating_a_boot_changes_nothing(node: Node) -> None:
    (node.boot / "sensorpi.toml").write_text('node = "worker01"\n' + example_text())
    node.apply("--boot")
    before = {path: path.stat().st_mtime_ns for path in node.etc.parent.rglob("*") if path.is_file()}
    node.apply("--boot")
    assert before == {path: path.stat().st_mtime_ns for path in node.etc.parent.rglob("*") if path.is_file()}


def test_the_package_links_the_line_to_where_agetty_looks() -> None:
    links = (Path(__file__).parents[4] / "debian/sensorpi-common.links").read_text().splitlines()
    assert f"run/sensorpi/{mistake_signs.ISSUE} etc/issue.d/sensorpi.issue" in links
