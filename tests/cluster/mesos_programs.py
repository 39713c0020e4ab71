"""Puts Mesos where its package would: this machine's own, or the stand-in that starts the tasks all the same."""

import re
import shutil
from pathlib import Path

from tests.packages.machine import run

PROGRAMS = ("mesos-master", "mesos-agent")

_STAND_IN = Path(__file__).parents[1] / "fakes/mesos"


def is_here() -> bool:
    """Whether this machine has a real Mesos."""
    return all(shutil.which(program) for program in PROGRAMS)


def put_stand_in(root: Path) -> None:
    """Install the stand-in into a machine's root."""
    shutil.copytree(_STAND_IN, root / "opt/mesos-stand-in/mesos", ignore=shutil.ignore_patterns("__pycache__"))
    for program in PROGRAMS:
        (root / "usr/sbin" / program).symlink_to(f"/opt/mesos-stand-in/mesos/{program}")


def put_real(root: Path) -> None:
    """Install this machine's Mesos into a machine's root, with the libraries that are missing there."""
    found = [Path(shutil.which(program) or program).resolve() for program in PROGRAMS]
    helpers = [file for folder in {path.parent.parent / "libexec/mesos" for path in found} for file in folder.glob("*")]
    binaries = [*found, *(file for file in helpers if file.is_file())]
    libraries = {
        library for binary in binaries if _is_elf(binary) for library in re.findall(r"=> (/\S+)", run("ldd", binary))
    }
    for file in [*binaries, *map(Path, sorted(libraries))]:
        place = root / str(file).lstrip("/")
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)
    for program, path in zip(PROGRAMS, found, strict=True):
        if not (root / "usr/sbin" / program).exists():
            (root / "usr/sbin" / program).symlink_to(path)


def _is_elf(file: Path) -> bool:
    with file.open("rb") as content:
        return content.read(4) == b"\x7fELF"
