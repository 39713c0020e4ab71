"""Which package may import which, and that no two folders of one package need each other.

Every import counts: also those inside a function or under TYPE_CHECKING.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

NAMESPACE = "sensorpi"
#: Each package may import these others of ours.
ALLOWED = {"common": set[str](), "sensor": {"common"}, "mesos_node": {"common"}, "pipeline": {"common"}}
#: Folders and modules at the top of a package, `__init__` aside.
MOST_AT_THE_TOP = 10

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Import:
    """One import of a module of ours: both names are dotted, such as sensorpi.common.cluster.model."""

    importer: str
    imported: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def modules(root: Path) -> dict[str, Path]:
    """The modules of all packages below ``root``: dotted name -> file; a folder's name is its `__init__`'s."""
    found = {}
    for sources in sorted(root.glob(f"packages/*/src/{NAMESPACE}")):
        for file in sorted(sources.rglob("*.py")):
            parts = (NAMESPACE, *file.relative_to(sources).with_suffix("").parts)
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(root: Path) -> list[Import]:
    """Every import of a module of ours by a module of ours."""
    known = modules(root)
    return [
        Import(name, imported, line)
        for name, file in known.items()
        for imported, line in _imported(name, file, known)
        if imported.startswith(f"{NAMESPACE}.")
    ]


def _imported(name: str, file: Path, known: dict[str, Path]) -> Iterator[tuple[str, int]]:
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:  # each is a module or a name in one
                full = f"{source}.{alias.name}"
                yield full if full in known or source == NAMESPACE else source, node.lineno


def package_of(module: str) -> str:
    """The part after the namespace, such as common or sensor."""
    return module.split(".")[1]


def part_of(module: str) -> str:
    """The folder or module at the top of its package; empty for the package itself."""
    return ".".join(module.split(".")[2:3])


def wrong_layers(found: Sequence[Import]) -> list[str]:
    """The imports that point the wrong way, one line each."""
    return [
        str(each)
        for each in found
        if package_of(each.imported) not in {package_of(each.importer), *ALLOWED.get(package_of(each.importer), set())}
    ]


def circles(found: Sequence[Import]) -> list[str]:
    """For each package whose folders import each other in a circle: those imports, in one line."""
    edges: dict[str, dict[tuple[str, str], Import]] = {}
    for each in found:
        parts = part_of(each.importer), part_of(each.imported)
        if package_of(each.importer) == package_of(each.imported) and parts[0] != parts[1]:
            edges.setdefault(package_of(each.importer), {}).setdefault(parts, each)
    return ["; ".join(str(part[edge]) for edge in circle) for part in edges.values() if (circle := _circle(set(part)))]


def _circle(edges: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The shortest way along edges that ends where it began; empty when there is none."""
    shortest: list[tuple[str, str]] = []
    for edge in sorted(edges):
        ways, seen = [[edge]], {edge[1]}
        while ways:
            way = ways.pop(0)
            if way[-1][1] == edge[0]:
                shortest = way if not shortest or len(way) < len(shortest) else shortest
                break
            following = [each for each in sorted(edges) if each[0] == way[-1][1] and each[1] not in seen]
            seen |= {each[1] for each in following}
            ways += [[*way, each] for each in following]
    return shortest


def tops(root: Path) -> dict[str, set[str]]:
    """The folders and modules at the top of each package."""
    found: dict[str, set[str]] = {}
    for name in modules(root):
        found.setdefault(package_of(name), set()).update({part_of(name)} - {""})
    return found


def plant(root: Path, files: dict[str, str]) -> Path:
    """Write modules below ``root``: "sensor/board/driver" -> source."""
    for name, source in files.items():
        package = name.split("/")[0]
        file = root / f"packages/{package.replace('_', '-')}/src/{NAMESPACE}/{name}.py"
        for folder in (file.parent, *file.parent.parents):
            if folder.name == NAMESPACE:
                break
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "__init__.py").touch()
        file.write_text(source, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def ours() -> list[Import]:
    return imports(ROOT)


def test_packages_import_common_and_never_each_other(ours: list[Import]) -> None:
    assert wrong_layers(ours) == []


def test_the_benchmarks_need_nothing_of_the_tests() -> None:
    names = re.compile(r"^\s*(from|import) +tests\b", re.MULTILINE)
    files = list((ROOT / "bench").glob("*.py"))
    assert files
    assert [file.name for file in files if names.search(file.read_text(encoding="utf-8"))] == []


def test_no_package_has_a_circle_between_its_folders(ours: list[Import]) -> None:
    assert circles(ours) == []


def test_the_top_of_a_package_is_seen_at_a_glance() -> None:
    found = tops(ROOT)
    assert set(found) == set(ALLOWED)
    assert {package: len(parts) for package, parts in found.items() if not 0 < len(parts) <= MOST_AT_THE_TOP} == {}


PLANTED = {
    "absolute": ("sensor/run", "import sensorpi.pipeline.job.run"),
    "renamed": ("sensor/run", "import sensorpi.pipeline.job.run as job"),
    "second of two": ("sensor/run", "import os, sensorpi.pipeline.job.run"),
    "a name": ("sensor/run", "from sensorpi.pipeline.job.run import main"),
    "a module": ("mesos_node/run", "from sensorpi.pipeline.job import run"),
    "a package": ("pipeline/job/run", "from sensorpi import mesos_node"),
    "a package, by common": ("common/cluster/model", "from sensorpi import sensor"),
    "a name, by common": ("common/cluster/model", "from sensorpi.sensor.run import main"),
    "relative": ("pipeline/job/batch", "from ...mesos_node.kafka import broker"),
    "relative, by a folder": ("pipeline/job/__init__", "from ...mesos_node.kafka import broker"),
    "in a function": ("sensor/run", "def run():\n    from sensorpi.mesos_node.kafka import broker\n"),
    "in a condition": (
        "sensor/run",
        "class A:\n    def b(self):\n        if self:\n            import sensorpi.pipeline",
    ),
    "for types only": ("sensor/run", "if TYPE_CHECKING:\n    from sensorpi.pipeline.job.run import main\n"),
}


@pytest.mark.parametrize(("module", "source"), PLANTED.values(), ids=PLANTED)
def test_an_import_that_points_the_wrong_way_is_found(tmp_path: Path, module: str, source: str) -> None:
    others = ("common/errors", "sensor/run", "mesos_node/kafka/broker", "pipeline/job/run")
    plant(tmp_path, dict.fromkeys(others, "import sensorpi.common.errors\nfrom sensorpi.common import errors\n"))
    assert wrong_layers(imports(tmp_path)) == []
    plant(tmp_path, {module: source})
    [line] = wrong_layers(imports(tmp_path))
    assert line.startswith(f"sensorpi.{module.removesuffix('/__init__').replace('/', '.')}:")


CIRCLES = {
    "of two folders": (
        2,
        {
            "common/cluster/model": "from sensorpi.common.config.apply import apply",
            "common/config/apply": "from sensorpi.common.cluster import schema",
            "common/cluster/schema": "",
        },
    ),
    "of three, beside a good import": (
        3,
        {
            "common/cluster/model": "from sensorpi.common.config import apply\nimport sensorpi.common.errors",
            "common/config/apply": "from ..daemon.service import notify",
            "common/daemon/service": "def notify():\n    import sensorpi.common.cluster.model\n",
            "common/errors": "",
        },
    ),
    "with a module at the top": (
        2,
        {
            "sensor/run": "from sensorpi.sensor.board.driver import EnviroPhat",
            "sensor/board/driver": "from sensorpi.sensor import run",
        },
    ),
    "with the package itself": (
        2,
        {
            "sensor/__init__": "from sensorpi.sensor.board.driver import EnviroPhat",
            "sensor/board/driver": "from sensorpi.sensor import EnviroPhat",
        },
    ),
}


@pytest.mark.parametrize(("length", "files"), CIRCLES.values(), ids=CIRCLES)
def test_a_circle_between_folders_is_found(tmp_path: Path, length: int, files: dict[str, str]) -> None:
    [line] = circles(imports(plant(tmp_path, files)))
    assert line.count(" imports ") == length


def test_imports_within_a_folder_are_not_a_circle(tmp_path: Path) -> None:
    files = {
        "common/cluster/model": "from sensorpi.common.cluster.checks import check\nfrom sensorpi.common import errors",
        "common/cluster/checks": "from sensorpi.common.cluster import model",
        "common/config/apply": "from sensorpi.common.cluster.model import load\nfrom sensorpi.common import errors",
        "common/errors": "",
    }
    assert circles(imports(plant(tmp_path, files))) == []


def test_what_lies_at_the_top_of_a_package_is_counted(tmp_path: Path) -> None:
    files = dict.fromkeys(("common/errors", "common/cluster/model", "common/cluster/checks"), "")
    assert tops(plant(tmp_path, files)) == {"common": {"errors", "cluster"}}
