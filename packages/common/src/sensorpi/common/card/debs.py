"""The .debs that a card brings along for a Pi without internet, as an apt repository in one folder."""

import hashlib
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from sensorpi.common.errors import UserError

_FIELD = re.compile(r"^(Package|Depends|Pre-Depends|Recommends|Provides): (.*)$", re.MULTILINE)


def needed(folder: Path, packages: Iterable[str]) -> dict[Path, str]:
    """Those of a folder's .debs that the packages need, packages of Debian among them, each with its control fields.

    What they need beside these the Pi takes from its own release. Raises ``UserError``.
    """
    controls = {deb: _control(deb) for deb in sorted(folder.glob("*.deb"))}
    if not controls:
        raise UserError(f"{folder}: no .deb in it; make deb writes them into dist/")
    wanted, chosen = list(packages), dict[Path, str]()
    for name in wanted:  # grows while it is gone through
        found = {deb: text for deb, text in controls.items() if name in _names(text, "Package", "Provides")}
        chosen |= found
        for text in found.values():
            related = _names(text, "Depends", "Pre-Depends", "Recommends")
            wanted += [other for other in related if other not in wanted]
    for name in packages:
        if not any(name in _names(text, "Package") for text in chosen.values()):
            raise UserError(f"{folder}: no {name}_*.deb in it")
    return chosen


def index(debs: dict[Path, str], names: dict[Path, str]) -> bytes:
    """The file Packages of a repository of these .debs, which have these names in it."""
    stanzas = []
    for deb, control in sorted(debs.items()):
        with deb.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
        stanzas.append(f"{control}Filename: ./{names[deb]}\nSize: {deb.stat().st_size}\nSHA256: {checksum}\n")
    return "\n".join(stanzas).encode()


def _control(deb: Path) -> str:
    try:
        result = subprocess.run(["dpkg-deb", "--field", str(deb)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError("--debs needs dpkg-deb: run this on a Debian, or use --repository") from None
    if result.returncode != 0:
        raise UserError(f"{deb}: no Debian package: {result.stderr.strip().splitlines()[-1]}")
    return result.stdout


def _names(control: str, *fields: str) -> list[str]:
    """The package names in these fields: of all alternatives, and without versions."""
    values = [value for field, value in _FIELD.findall(control) if field in fields]
    return [re.split(r"[ (:\[]", name.strip())[0] for value in values for name in re.split("[,|]", value)]
