"""The broker and job commands where systemd runs both: they act on this node's, and say where to go for others'."""

import json
import os
from pathlib import Path

import pytest

from sensorpi.common.cli.main import main
from sensorpi.common.cluster.model import example_text


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "cluster.toml").write_text(example_text())
    return tmp_path


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Systemctl and journalctl that write down how they are called."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, answer in (("systemctl", "ActiveState=active\\nStatusText=fine"), ("journalctl", "a line")):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/calls\nprintf "{answer}\\n"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return tmp_path / "calls"


def sensorpi(config: Path, node: str, *words: str) -> int:
    (config / "node").write_text(f"{node}\n")
    return main([*words, "--config", str(config)])


@pytest.mark.parametrize("action", ["start", "stop", "restart"])
def test_this_nodes_broker_is_systemds(config: Path, calls: Path, action: str) -> None:
    assert sensorpi(config, "worker02", "kafka", "broker", action, "1") == 0
    assert calls.read_text() == f"systemctl {action} sensorpi-kafka.service\n"


def test_another_nodes_broker_is_not_here(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sensorpi(config, "worker02", "kafka", "broker", "stop", "*") == 2
    assert "broker 0 runs on worker01" in capsys.readouterr().err
    assert sensorpi(config, "worker02", "kafka", "broker", "stop", "4") == 2
    assert "no broker 4: cluster.toml has 3" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["add", "update", "remove"])
def test_the_file_says_which_brokers_there_are(config: Path, capsys: pytest.CaptureFixture[str], action: str) -> None:
    assert sensorpi(config, "worker02", "kafka", "broker", action, "1") == 2
    assert "the brokers are the workers of cluster.toml" in capsys.readouterr().err


def test_the_job_is_systemds_on_its_node(config: Path, calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sensorpi(config, "master02", "job", "stop", "--timeout", "0") == 0
    assert sensorpi(config, "master02", "job", "log") == 0
    assert sensorpi(config, "master02", "job", "status", "--json") == 0
    assert calls.read_text().splitlines()[0] == "systemctl --no-block stop sensorpi-spark-job.service"
    out = capsys.readouterr().out
    assert "a line\n" in out
    assert json.loads(out[out.index("{") :])["state"] == "running"
    assert sensorpi(config, "worker01", "job", "start") == 2
    assert "the job runs on master02" in capsys.readouterr().err


def test_the_log_is_the_journals(config: Path, calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sensorpi(config, "worker03", "kafka", "broker", "log", "2") == 0
    assert capsys.readouterr().out == "a line\n"
    assert calls.read_text() == "journalctl --no-pager --quiet --lines=100 --unit=sensorpi-kafka.service\n"


def test_brokers_that_do_not_answer_are_listed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    local = (
        'nodes.box={address="127.0.0.1",roles=["mesos-worker","mesos-master","influx-grafana"]}\n[kafka]\nport = 1\n'
    )
    (config / "cluster.toml").write_text(local)
    assert sensorpi(config, "box", "kafka", "broker", "list", "--json") == 0
    [broker] = json.loads(capsys.readouterr().out)["brokers"]
    assert (broker["id"], broker["state"], broker["message"]) == (0, "unknown", "no broker answers")
