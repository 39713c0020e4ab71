"""The broker and job commands where systemd runs both: they work on this node's, and say which node has the others."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cli.main import main
from sensorpi.common.cluster.model import example_text

SHOW = 'printf "ActiveState=active\\nStatusText=fine\\n"'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "cluster.toml").write_text(example_text())
    return tmp_path


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Systemctl and journalctl that write down how they are called."""
    put_program(tmp_path, "systemctl", f'echo "systemctl $*" >> {tmp_path}/calls\n{SHOW}')
    put_program(tmp_path, "journalctl", f'echo "journalctl $*" >> {tmp_path}/calls\necho "a line"')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return tmp_path / "calls"


def put_program(folder: Path, name: str, script: str) -> None:
    program = folder / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


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
    assert json.loads(out[out.index("{") :]) == {
        "active": True, "state": "running", "task": {"host": "master02"}, "message": "fine",
    }  # fmt: skip
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
    task = {"host": "box", "ports": [1]}
    assert broker == {
        "id": 0, "state": "unknown", "task": task, "mem_mb": 320, "heap_mb": 128, "controller": True,
        "message": "no broker answers",
    }  # fmt: skip


@pytest.mark.parametrize("status", [1, 3, 4, 5, 124])
def test_no_status_of_systemctl_is_a_time_out(
    config: Path, calls: Path, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    put_program(config, "systemctl", f"echo 'Unit is bad.' >&2; exit {status}")
    assert sensorpi(config, "worker02", "kafka", "broker", "start", "1") == ExitCode.FAILED
    assert capsys.readouterr() == ("", "sensorpi: systemctl start sensorpi-kafka.service: Unit is bad.\n")
    assert sensorpi(config, "master02", "job", "start", "--json") == ExitCode.FAILED
    assert json.loads(capsys.readouterr().out) == {"workloads": ["job"], "status": 1}


@pytest.mark.parametrize(
    ("node", "words", "unit", "workload"),
    [
        ("worker02", ["kafka", "broker", "restart", "1"], "sensorpi-kafka.service", "broker-1"),
        ("master02", ["job", "stop"], "sensorpi-spark-job.service", "job"),
    ],
)
def test_a_maximum_wait_that_is_over_is_reported(
    config: Path, calls: Path, capsys: pytest.CaptureFixture[str], node: str, words: list[str], unit: str, workload: str
) -> None:
    put_program(config, "systemctl", "exec sleep 60")
    assert sensorpi(config, node, *words, "--timeout", "100ms", "--json") == ExitCode.TIMED_OUT
    said = capsys.readouterr()
    assert (
        said.err == f"sensorpi: not within 0.1 s: systemd continues to {words[-1 if workload == 'job' else 2]} {unit}\n"
    )
    assert json.loads(said.out) == {"workloads": [workload], "status": ExitCode.TIMED_OUT}


def test_a_silent_systemd_is_reported(config: Path, capsys: pytest.CaptureFixture[str], mocker: MockerFixture) -> None:
    run = mocker.patch("subprocess.run", side_effect=subprocess.TimeoutExpired("systemctl", 60))
    for words in (["job", "status"], ["job", "start", "--timeout", "0"]):
        assert sensorpi(config, "master02", *words) == ExitCode.MISTAKE
        assert capsys.readouterr().err == "sensorpi: systemctl does not answer within 60 s\n"
        assert run.call_args.kwargs["timeout"] == 60


def test_the_journal_cannot_tell_the_outputs_apart(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sensorpi(config, "worker02", "kafka", "broker", "log", "1", "--stderr") == ExitCode.MISTAKE
    assert sensorpi(config, "master02", "job", "log", "--stderr") == ExitCode.MISTAKE
    line = 'sensorpi: --stderr: with engine = "standalone" the log has both outputs; leave the option out\n'
    assert capsys.readouterr().err == 2 * line
