"""The core does no I/O and starts no threads: it imports nothing with which it could."""

import ast
from pathlib import Path

import pytest

from sensorpi.mesos_node.scheduler import core

SCHEDULER = "sensorpi.mesos_node.scheduler"
MODULES = sorted(Path(core.__path__[0]).glob("*.py"))
ALLOWED_LIBRARY = {"collections", "dataclasses", "json", "logging", "math", "re", "secrets", "shlex", "types", "typing"}


def imports(module: Path) -> set[str]:
    """The full names of the modules that it imports."""
    nodes = list(ast.walk(ast.parse(module.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_the_core_imports_nothing_that_does_io(module: Path) -> None:
    found = imports(module)
    assert {name for name in found if name.startswith(SCHEDULER) and not name.startswith(f"{SCHEDULER}.core")} == set()
    assert {name.partition(".")[0] for name in found} - {"sensorpi"} <= ALLOWED_LIBRARY


def test_the_core_has_modules_to_be_judged() -> None:
    assert f"{SCHEDULER}.core.needs" in set.union(*map(imports, MODULES))
