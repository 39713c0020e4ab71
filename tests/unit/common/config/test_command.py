"""`sensorpi config` and `sensorpi cluster`, and that the documentation names every key."""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import fields
from pathlib import Path

import pytest

from sensorpi.common.cli.main import main
from sensorpi.common.cluster import schema
from sensorpi.common.cluster.model import config_directory, example_text, parse
from sensorpi.common.cluster.secrets import load_key
from tests.fakes.clusters import ONE_NODE, shipped

ROOT = Path(__file__).parents[4]
TABLES = {
    "kafka": schema.KafkaSettings,
    "spark": schema.SparkSettings,
    "influxdb": schema.InfluxdbSettings,
    "sensor": schema.SensorSettings,
    "dashboard": schema.DashboardSettings,
    "mesos": schema.MesosSettings,
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "cluster.toml").write_text(ONE_NODE + "[kafka]\nheap_mb = 64\n")
    return tmp_path


def test_check_reports_that_a_file_is_good(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", str(directory / "cluster.toml")]) == 0
    assert capsys.readouterr().out == f"{directory}/cluster.toml: good; a cluster file; nodes: 1, brokers: 1\n"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("sensorpi.toml", f'node = "box"\n\n\n{ONE_NODE}', "a card's file, for box; nodes: 1, brokers: 1"),
        ("a.toml", f'[card]\ntimezone = "UTC"\n{ONE_NODE}', "a card's file; nodes: 1, brokers: 1"),
        ("card.toml", ' card.timezone = "UTC"\n', "the table [card] of a card's file, for CARD of `make image`"),
        ("node", "box\n", "a node's file, which makes a machine box"),
        ("cluster.key", "k" * 32, "a cluster's key"),
    ],
)
def test_check_tells_which_kind_of_file_is_good(
    directory: Path, capsys: pytest.CaptureFixture[str], name: str, content: str, kind: str
) -> None:
    (directory / name).write_text(content)
    (directory / name).chmod(0o640)
    assert main(["config", "check", str(directory / name)]) == 0
    assert capsys.readouterr().out == f"{directory}/{name}: good; {kind}\n"


@pytest.mark.parametrize(
    ("name", "content", "mistake"),
    [
        (
            "sensorpi.toml",
            f'node = "boxx"\n{ONE_NODE}',
            'node = "boxx": the file has no such node; did you mean "box"?',
        ),
        ("sensorpi.toml", f'[card]\ncountry = "UK"\n{ONE_NODE}', "did you mean GB?"),
        ("sensorpi.toml", 'node = "box"\n', "nodes is missing"),
        ("sensorpi.toml", f"{ONE_NODE}[card\n", "not TOML: "),
        ("node", "boxx", 'no node "boxx" in the cluster; did you mean "box"?'),
        ("cluster.key", "short", "32"),
    ],
)
def test_check_finds_a_mistake_in_each_kind(
    directory: Path, capsys: pytest.CaptureFixture[str], name: str, content: str, mistake: str
) -> None:
    (directory / name).write_text(content)
    (directory / name).chmod(0o640)
    assert main(["config", "check", str(directory / name)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"sensorpi: {directory}/{name}: ")
    assert mistake in printed.err
    assert printed.err.count("\n") == 1


def test_a_cluster_file_is_not_a_cards(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "cluster.toml").write_text(f'node = "box"\n{ONE_NODE}')
    assert main(["config", "show", "--config", str(directory)]) == 2
    assert "node: expected in a card's sensorpi.toml only" in capsys.readouterr().err


def test_check_prints_one_line_for_a_mistake(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "cluster.toml").write_text(ONE_NODE + "[kafka]\nprot = 1\n")
    assert main(["config", "check", "--config", str(directory)]) == 2
    expected = f'sensorpi: {directory}/cluster.toml: kafka.prot = 1: unknown key; did you mean "port"?\n'
    assert capsys.readouterr() == ("", expected)


def test_what_a_line_quotes_cannot_break_it(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "cluster.toml").write_text(ONE_NODE + '[kafka]\n"a\\nb\\u001b[2J" = 1\n')
    assert main(["config", "check", "--config", str(directory)]) == 2
    assert r"kafka.a\nb\x1b[2J = 1: unknown key" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="drops root's rights")
def test_a_missing_permission_is_one_line(directory: Path) -> None:
    # pytest's own folders are closed to others.
    with tempfile.TemporaryDirectory() as config:
        cluster = Path(config, "cluster.toml")
        cluster.write_text(ONE_NODE)
        Path(config).chmod(0o755)
        other = cluster.with_name("other.toml")
        other.write_text(ONE_NODE)
        program = (
            "import os, sys; from sensorpi.common.cli.main import main; os.setuid(65534); sys.exit(main(sys.argv[1:]))"
        )
        words = ["join", os.fspath(other), "--node", "box", "--config", config]
        result = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)
        assert (result.returncode, result.stderr.count("\n")) == (2, 1)
        assert f"sensorpi: {cluster}: cannot be renamed: Permission denied" in result.stderr
        assert cluster.exists()


def test_a_reader_that_closes_early_gets_no_error(directory: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    program = "import sys; from sensorpi.common.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = ["config", "check", str(directory / "cluster.toml")]
    result = subprocess.run([sys.executable, "-c", program, *words], stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (result.returncode, result.stderr) == (1, b"")


@pytest.mark.parametrize(
    "text", [ONE_NODE + "[kafka]\nheap_mb = 64\n", ONE_NODE + "attributes = { rack = 'a' }\ncpus = 2\n", example_text()]
)
def test_what_show_prints_is_the_same_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (tmp_path / "cluster.toml").write_text(text)
    (tmp_path / "node").write_text(parse(text, "file").nodes[0].name)  # whatever is installed on this machine
    assert main(["config", "show", "--config", str(tmp_path)]) == 0
    assert parse(capsys.readouterr().out, "shown") == parse(text, "file")


def test_show_marks_this_node(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "node").write_text("box\n")
    main(["config", "show", "--config", str(directory)])
    assert "[nodes.box]  # this node\n" in capsys.readouterr().out


def test_the_environment_names_another_directory(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SENSORPI_CONFIG", str(directory))
    assert main(["config", "show"]) == 0
    assert "heap_mb = 64\n" in capsys.readouterr().out
    monkeypatch.delenv("SENSORPI_CONFIG")
    assert config_directory() == Path("/etc/sensorpi")


def test_init_writes_the_example_and_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cluster", "init", "--config", str(tmp_path / "new")]) == 0
    assert parse((tmp_path / "new/cluster.toml").read_text(), "written") == shipped()
    assert len(load_key(tmp_path / "new/cluster.key")) == 32


def test_init_keeps_a_file_that_is_there(directory: Path) -> None:
    before = (directory / "cluster.toml").read_text()
    assert main(["cluster", "init", "--config", str(directory)]) == 0
    assert (directory / "cluster.toml").read_text() == before


def test_init_twice_keeps_the_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["cluster", "init", "--config", str(tmp_path)])
    key = load_key(tmp_path / "cluster.key")
    assert main(["cluster", "init", "--config", str(tmp_path)]) == 2
    assert load_key(tmp_path / "cluster.key") == key


@pytest.mark.parametrize("table", TABLES)
def test_the_documentation_has_every_key_with_its_default(table: str) -> None:
    text = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
    rows = dict(re.findall(rf"^\| `{table}\.(\w+)` \| `([^`]+)` \|", text, re.MULTILINE))
    defaults = {key.name: key.default for key in fields(TABLES[table])}
    assert rows == {name: f'"{value}"' if isinstance(value, str) else str(value) for name, value in defaults.items()}


def test_no_configuration_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--config", str(tmp_path)]) == 2
    assert capsys.readouterr() == ("", f"sensorpi: {tmp_path}/cluster.toml: No such file or directory\n")
