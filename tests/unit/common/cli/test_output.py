"""What any `sensorpi` command leaves on its two outputs when something is wrong: a mistake, a full disk, no reader."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from sensorpi.common.cli import output
from sensorpi.common.cli.main import main

_SENSORPI = "import sys; from sensorpi.common.cli.main import main; sys.exit(main(sys.argv[1:]))"
_READ = ("sensor", "read", "--board", "emulated")


def run(words: Sequence[str], **streams: int) -> "subprocess.CompletedProcess[str]":
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    environment = os.environ | {"PYTHONUNBUFFERED": ""}
    return subprocess.run([sys.executable, "-c", _SENSORPI, *words], env=environment, text=True, timeout=60, **pipes)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["kafka", "broker", "list"], "cluster.toml: No such file or directory"),
        (["job", "status"], "cluster.toml: No such file or directory"),
        (["kafka", "topic", "add", "a/b"], '"a/b": expected a topic name'),
        (["kafka", "broker", "start"], "the following arguments are required: BROKERS; `sensorpi kafka broker start "),
        (["kafka", "topic", "add", "a", "--partitions", "x"], "argument --partitions: invalid int value: 'x'; "),
        (["kafka", "broker", "begin", "0"], "argument ACTION: invalid choice: 'begin'"),
    ],
)
def test_with_json_a_mistake_is_an_object_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    assert main([*words, "--json", "--config", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert line in said.err
    assert said.err == f"sensorpi: {json.loads(said.out)['error']}\n"
    assert main([*words, "--config", str(tmp_path)]) == 2
    assert capsys.readouterr() == ("", said.err)


@pytest.mark.parametrize("words", [_READ, (*_READ, "--json"), ("--help",), ("--version",), ("status", "--help")])
def test_a_full_disk_is_one_line(words: Sequence[str]) -> None:
    with Path("/dev/full").open("w") as full:
        result = run(words, stdout=full.fileno())
    assert (result.returncode, result.stderr) == (1, "sensorpi: standard output: No space left on device\n")


@pytest.mark.parametrize("words", [_READ, ("--help",)])
def test_a_reader_that_is_gone_is_not_a_mistake(words: Sequence[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    result = run(words, stdout=writing)
    os.close(writing)
    assert (result.returncode, result.stderr) == (1, "")


def test_a_line_that_cannot_be_written_changes_no_status(tmp_path: Path) -> None:
    mistake = ("job", "status", "--json", "--config", str(tmp_path))
    with Path("/dev/full").open("w") as full:
        result = run(mistake, stderr=full.fileno())
    assert result.returncode == 2
    assert "No such file" in json.loads(result.stdout)["error"]
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", _SENSORPI, *mistake], capture_output=True, timeout=60
    )
    assert (closed.returncode, closed.stdout.decode()) == (2, result.stdout)


def test_what_fails_elsewhere_is_not_taken_for_the_output(tmp_path: Path) -> None:
    def fail() -> int:
        raise BrokenPipeError("a connection of ours")

    with pytest.raises(BrokenPipeError):
        output.run_and_flush(fail, "sensorpi")
