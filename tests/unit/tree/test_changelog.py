"""CHANGELOG.md, debian/changelog and the Python packages agree on versions, dates and changes."""

import hashlib
import re
import tomllib
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
#: The packages of jars: their version, and the SHA-256 checksum of the list of their jars.
JARS = {
    "kafka": ("4.1.2", "bdde8ff75aba2f33667f1dcc0bdba5f7dc4b2e72c966e0c6b019898a58b96233"),
    "spark": ("3.5.7+sensorpi1", "2e823f0f0b92d825c3346b9a3795448dc420e608d1958dc0f0b07bc581a96fa2"),
}


def items(text: str, mark: str) -> list[str]:
    """Its list items, each in one line."""
    found = re.split(rf"^ *{re.escape(mark)} ", re.sub(r"^###.*$", "", text, flags=re.MULTILINE), flags=re.MULTILINE)
    return [" ".join(item.split()) for item in found[1:]]


def released() -> list[tuple[str, str, list[str]]]:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    _, *sections = re.split(r"^## \[", text, flags=re.MULTILINE)
    assert sections[0].startswith("Unreleased]\n")
    found = []
    for section in sections[1:]:
        heading, _, rest = section.partition("\n")
        version, date = heading.split("] - ")
        found.append((version, date, items(rest, "-")))
    return found


def packaged() -> list[tuple[str, str, list[str]]]:
    text = (ROOT / "debian/changelog").read_text(encoding="utf-8")
    entries = re.findall(r"^sensorpi \((\S+)\).*?\n(.*?)^ -- .*?>  (.*?)$", text, re.MULTILINE | re.DOTALL)
    return [(version, f"{parsedate_to_datetime(date):%Y-%m-%d}", items(rest, "*")) for version, rest, date in entries]


def test_the_packages_have_the_releases_of_the_changelog() -> None:
    assert packaged() == released()


def test_the_python_packages_have_the_newest_version() -> None:
    version = released()[0][0]
    for file in ROOT.glob("packages/*/pyproject.toml"):
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        ours = [name for name in project["dependencies"] if name.startswith("sensorpi-")]
        assert project["version"] == version, file
        assert all(name == f"sensorpi-common=={version}" for name in ours), file


@pytest.mark.parametrize("name", JARS)
def test_other_jars_have_another_version(name: str) -> None:
    """With the old version, machines that have the package would not get the new jars."""
    folder = ROOT / "third_party" / name
    found = re.match(r"sensorpi-\w+ \((\S+)\)", (folder / "debian/changelog").read_text(encoding="utf-8"))
    assert found is not None
    assert (found[1], hashlib.sha256((folder / "SHA256SUMS").read_bytes()).hexdigest()) == JARS[name]


def test_the_roles_with_spark_depend_on_its_newest_jars() -> None:
    control = (ROOT / "debian/control").read_text(encoding="utf-8")
    assert set(re.findall(r"\bsensorpi-spark\b[^,\n]*", control)) == {f"sensorpi-spark (>= {JARS['spark'][0]})"}
