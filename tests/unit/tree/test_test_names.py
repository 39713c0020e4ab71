"""The names of tests say the behaviour, shortly."""

import ast
from pathlib import Path

TESTS = Path(__file__).parents[2]
LONGEST = 60


def test_names_of_tests_are_short() -> None:
    names = {
        node.name
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert len(names) > 1000
    assert [name for name in sorted(names) if len(name) > LONGEST] == []
