"""Linters are tests: one command, here and in CI. Units and dashboards have their own checks."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent


def tracked(beginning: str) -> list[str]:
    """The files that git tracks, or would add, and that begin with this text."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    files = [ROOT / name for name in listed.stdout.splitlines()]
    return [str(file) for file in files if file.is_file() and file.read_bytes().startswith(beginning.encode())]


def run(*command: str) -> None:
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_ruff_finds_nothing() -> None:
    run(str(BIN / "ruff"), "check", ".")


def test_the_code_is_formatted() -> None:
    run(str(BIN / "ruff"), "format", "--check", ".")


def test_mypy_finds_nothing() -> None:
    run(str(BIN / "mypy"))


@pytest.mark.parametrize("shell", ["#!/bin/sh", "#!/bin/bash"])
def test_shellcheck_finds_nothing(shell: str) -> None:
    scripts = tracked(shell)
    assert scripts
    run("shellcheck", *scripts)


def test_no_file_names_a_registry_or_a_folder_of_one_machine() -> None:
    hosts = ["registry." + "npmjs.org", "pypi" + ".org", "files." + "pythonhosted.org", "repo." + "maven.apache.org"]
    names = "|".join(host.replace(".", r"\.") for host in [*hosts, "deb" + ".debian.org", "/wo" + "rk/", "/ro" + "ot/"])
    found = subprocess.run(["git", "grep", "-nIE", names], cwd=ROOT, capture_output=True, text=True)
    assert found.stdout == ""
