"""Each test that the matrix in docs/packaging.md names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests/packages"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/packaging.md").read_text(encoding="utf-8").split("## Life cycle")[1].splitlines()
    if line.startswith("|")
][2:]


@pytest.mark.parametrize(("done", "_holds", "tests"), ROWS, ids=[row[0] for row in ROWS])
def test_a_cell_names_tests_that_exist(done: str, _holds: str, tests: str) -> None:
    assert tests, done
    for group in tests.split(";"):
        file, _, names = group.partition(":")
        module = (TESTS / f"test_packages_{file.split()[0].strip('`')}.py").read_text(encoding="utf-8")
        for name in re.findall("`([a-z0-9_]+)`", names):
            assert re.search(rf"^def test_\w*{name}", module, re.MULTILINE), name
