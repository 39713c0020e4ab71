"""A card in a test: a copy of an image, as large as a card, whose partitions are read and written without mounting."""

import json
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

SECTOR_BYTES = 512
#: A power of two, which QEMU's SD card needs, and larger than the image, as every card is.
CARD_BYTES = 4 << 30


def run(*command: str | Path, data: bytes | None = None) -> bytes:
    """Run a command, which must succeed; return its standard output."""
    result = subprocess.run([str(word) for word in command], capture_output=True, input=data)
    assert result.returncode == 0, f"{command}: {result.stdout[-2000:]!r}{result.stderr[-2000:]!r}"
    return result.stdout


@dataclass(frozen=True)
class Card:
    """``starts`` are those of the boot partition and of the root file system, in bytes."""

    path: Path
    starts: tuple[int, int]

    @classmethod
    def flashed(cls, image: Path, path: Path) -> "Card":
        """A card with the image on it."""
        run("cp", "--sparse=always", image, path)
        with path.open("r+b") as file:
            file.truncate(CARD_BYTES)
        return cls.at(path)

    @classmethod
    def at(cls, path: Path) -> "Card":
        """The card, or the image, in a file."""
        table = json.loads(run("sfdisk", "--json", path))["partitiontable"]
        first, second = (part["start"] * SECTOR_BYTES for part in table["partitions"])
        return cls(path, (first, second))

    @property
    def root_bytes(self) -> int:
        """The size of the second partition."""
        table = json.loads(run("sfdisk", "--json", self.path))["partitiontable"]
        return int(table["partitions"][1]["size"]) * SECTOR_BYTES

    @property
    def _fat(self) -> str:
        return f"{self.path}@@{self.starts[0]}"

    @property
    def _ext4(self) -> str:
        return f"{self.path}?offset={self.starts[1]}"

    def boot_names(self) -> set[str]:
        """The paths of all files and folders on the boot partition."""
        listed = run("mdir", "-b", "-/", "-i", self._fat, "::/").decode()
        return {line.removeprefix("::/") for line in listed.splitlines()}

    def read_boot(self, name: str) -> bytes:
        """A file of the boot partition."""
        return run("mcopy", "-n", "-i", self._fat, f"::{name}", "-")

    def boot_text(self, name: str) -> str:
        """A file of the boot partition as text."""
        return self.read_boot(name).decode()

    def write_boot(self, name: str, text: str) -> None:
        """Write a file of the boot partition."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(text.encode())
            file.flush()
            run("mcopy", "-o", "-i", self._fat, file.name, f"::{name}")

    def write_root(self, name: str, text: str) -> None:
        """Write a file of the root file system. An existing one is replaced."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(text.encode())
            file.flush()
            self._debugfs(f"rm {shlex.quote(name)}", f"write {file.name} {shlex.quote(name)}")

    def link_root(self, name: str, target: str) -> None:
        """Make a symbolic link in the root file system."""
        self._debugfs(f"rm {shlex.quote(name)}", f"symlink {shlex.quote(name)} {target}")

    def read_root(self, name: str) -> str:
        """The text of a file of the root file system, empty if it does not exist."""
        return run("debugfs", "-R", f"cat {shlex.quote(name)}", self._ext4).decode()

    def names(self, folder: str) -> set[str]:
        """The names in a folder of the root file system."""
        listed = run("debugfs", "-R", f"ls -p {shlex.quote(folder)}", self._ext4).decode()
        return {line.split("/")[5] for line in listed.splitlines() if line.count("/") >= 6} - {".", ".."}

    def _debugfs(self, *commands: str) -> None:
        run("debugfs", "-w", "-f", "/dev/stdin", self._ext4, data="\n".join(commands).encode())
