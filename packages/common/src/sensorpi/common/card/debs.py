"""The .debs on a card for a Pi without internet, as an apt repository in one folder."""

import hashlib
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from sensorpi.common.errors import UserError

_FIELD = re.compile(r"^(Package|Depends|Pre-Depends|Recommends|Provides): (.*)$", re.MULTILINE)


def needed(folder: Path, packages: Iterable[str]) -> dict[Path, str]:
    """The .debs in a folder that the packages need, each with its control fields; some may be Debian's own packages.

    Other dependencies are installed from the Pi's own release. Raises ``UserError``.
    """
    controls = {deb: _control(deb) for deb in sorted(folder.glob("*.deb"))}
    if not controls:
        raise UserError(f"{folder}: there is no .deb in it; make deb writes them to dist/")
    wanted, chosen = list(packages), dict[Path, str]()
    for name in wanted:  # the loop itself extends the list
        found = {deb: text for deb, text in controls.items() if name in _names(text, "Package", "Provides")}
        chosen |= found
        for text in found.values():
            related = _names(text, "Depends", "Pre-Depends", "Recommends")
            wanted += [other for other in related if other not in wanted]
    for name in packages:
        if not any(name in _names(text, "Package") for text in chosen.values()):
            raise UserError(f"{folder}: there is no {name}_*.deb in it")
    return chosen


def index(debs: dict[Path, str], names: dict[Path, str]) -> bytes:
    """The file Packages of a repository that has these .debs under these names."""
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
        raise UserError(f"{deb}: not a Debian package: {result.stderr.strip().splitlines()[-1]}")
    return result.stdout


def _names(control: str, *fields: str) -> list[str]:
    """The package names in these fields, including all alternatives, without versions."""
    values = [value for field, value in _FIELD.findall(control) if field in fields]
    return [re.split(r"[ (:\[]", name.strip())[0] for value in values for name in re.split("[,|]", value)]
