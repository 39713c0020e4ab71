"""CHANGELOG.md, debian/changelog and the Python packages agree on versions, dates and changes."""

import re
import tomllib
from email.utils import parsedate_to_datetime
from pathlib import Path

ROOT = Path(__file__).parents[3]


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
