"""The documentation speaks of what is there: its links, the paths and names in it, and the picture."""

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md")])
#: Folders that a path in the text can begin with: those of the checkout, and those of the Python packages.
BASES = [ROOT, *ROOT.glob("packages/*/src/sensorpi")]
FIRST = {path.name for base in BASES for path in base.iterdir() if path.is_dir() and path.name[0] not in "._"} - {
    "dist"
}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the page's headings."""
    headings = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def found(path: str) -> list[Path]:
    return [base / path for base in BASES if (base / path).exists() or list(base.glob(path))]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        if re.match("[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file) if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_paths_in_a_page_exist(page: Path) -> None:
    words = re.findall(r"`([\w.*-]+/[\w./*-]*)`", text(page))
    missing = [word for word in words if word.split("/")[0] in FIRST and not found(word)]
    assert missing == []


def test_the_code_has_the_names_of_architecture_md() -> None:
    pairs = re.findall(r"`([\w./-]+\.py)`(?: \(|, )`(\w+)`", text(ROOT / "docs/architecture.md"))
    assert len(pairs) > 20
    for path, defined in pairs:
        [file] = found(path)
        assert re.search(rf"^ *(?:def|class) {defined}\b", file.read_text(encoding="utf-8"), re.MULTILINE), path


def test_the_map_of_the_code_has_every_folder() -> None:
    page = text(ROOT / "docs/architecture.md")
    folders = {
        f"{folder.relative_to(base)}/"
        for base in BASES[1:]
        for folder in base.glob("*/[a-z]*")
        if folder.is_dir() and list(folder.glob("*.py"))
    }
    assert len(folders) > 20
    assert sorted(folder for folder in folders if folder not in page) == []


def test_the_picture_is_that_of_its_text() -> None:
    digest = hashlib.sha256((ROOT / "docs/architecture.dot").read_bytes()).hexdigest()
    assert f"SHA-256 {digest}," in (ROOT / "docs/architecture.svg").read_text(encoding="utf-8"), "run make docs"
