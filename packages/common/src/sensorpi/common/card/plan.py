"""The files for one node's card: only those that the node needs."""

from dataclasses import dataclass
from pathlib import Path

from sensorpi.common.card import cloud_init, debs, first_run
from sensorpi.common.card.boot_files import CMDLINE, FirstBoot, kernel_words, with_words
from sensorpi.common.card.file import SOURCE
from sensorpi.common.card.first_boot import DEBS, FOLDER, Repository, Settings
from sensorpi.common.card.writing import Content
from sensorpi.common.cluster import secrets
from sensorpi.common.cluster.identity import identify_or_fail
from sensorpi.common.cluster.model import Node, load, read

#: The name of every file that a card may get, except for those in our folder.
OWNED = (SOURCE, secrets.FILE_NAME, "user-data", "network-config", first_run.NAME)


@dataclass(frozen=True)
class Member:
    """A node, with the text of the cluster file, and with the key if the node needs it."""

    node: Node
    cluster_text: str
    key: bytes | None

    @property
    def packages(self) -> list[str]:
        """The packages of its roles."""
        return [f"sensorpi-{role}" for role in self.node.roles]


def member(cluster_file: Path, name: str) -> Member:
    """The node of that name. A sensor gets no key; the others get the one beside the file. Raises ``UserError``."""
    node = identify_or_fail(load(cluster_file), cluster_file.parent, name)
    needs_key = node.roles != ("sensor",)
    key = secrets.load_key(cluster_file.with_name(secrets.FILE_NAME)) if needs_key else None
    return Member(node, read(cluster_file), key)


def card_files(
    partition: Path,
    first_boot: FirstBoot,
    member: Member,
    settings: Settings,
    repository: tuple[Repository, bytes] | None,
    deb_folder: Path | None,
) -> dict[str, Content]:
    """All files by their names on the partition, in the order in which they are written."""
    files: dict[str, Content] = {}
    if deb_folder is not None:
        needed = debs.needed(deb_folder, member.packages)
        # apt's cache writes a colon as %3a in file names, which other programs would decode to a colon.
        names = {deb: deb.name.replace("%3a", "_") for deb in needed}
        files |= {f"{DEBS}/{name}": deb for deb, name in names.items()}
        files[f"{DEBS}/Packages"] = debs.index(needed, names)
    if repository is not None:
        files[f"{FOLDER}/{repository[0].key_name}"] = repository[1]
    if member.key is not None:
        files[secrets.FILE_NAME] = member.key
    files[SOURCE] = f'node = "{member.node.name}"\n\n{member.cluster_text}'.encode()
    words = kernel_words(partition)
    if first_boot is FirstBoot.CLOUD_INIT:
        files |= cloud_init.files(settings)
        files[CMDLINE] = with_words(words, cloud_init.kernel_words(settings), cloud_init.WORDS)
    else:
        files[first_run.NAME] = first_run.script(settings)
        files[CMDLINE] = with_words(words, first_run.KERNEL_WORDS, first_run.WORDS)
    return files
