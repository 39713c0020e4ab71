"""A flashed card learns who it is from its boot partition, which any computer can write."""

import hashlib
import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

from sensorpi.common.card.table import without_card
from sensorpi.common.cluster import secrets
from sensorpi.common.cluster.model import FILE_NAME, parse, plain_text
from sensorpi.common.cluster.validators import nearest
from sensorpi.common.errors import UserError
from sensorpi.common.files import remove, rename, render

#: Raspberry Pi OS since bookworm, and before.
PARTITIONS = (Path("/boot/firmware"), Path("/boot"))

#: A cluster file; a line `node = "NAME"` before its first table may say which node the card is for, and a table
#: `[card]` what else is only this card's.
SOURCE = "sensorpi.toml"

_TAKEN = "boot-partition.sha256"
_NODE_LINE = re.compile(r"^node\s*=.*$", re.MULTILINE)


def take_in(config: Path, state: Path, partitions: Sequence[Path] = PARTITIONS) -> str | None:
    """Bring what lies on the boot partition into ``config``, once; return a line about what was done.

    A file is taken when its checksum is not the one that ``state`` remembers; the file that it replaces is kept with
    ``.old`` at its end. A key is moved: it does not stay on a partition that everybody can read. Raises ``UserError``
    for a mistake, and has taken nothing then.
    """
    done = [line for line in (_take_key(config, partitions), _take_file(config, state, partitions)) if line]
    return "; ".join(done) or None


def waits(state: Path, partitions: Sequence[Path] = PARTITIONS) -> bool:
    """Whether something lies there that no boot has taken yet."""
    source = _first(partitions, SOURCE)
    return _first(partitions, secrets.FILE_NAME) is not None or (
        source is not None and not _was_taken(source.read_bytes(), state)
    )


def erase(path: Path) -> None:
    """Overwrite a file with zeros and delete it: VFAT only forgets the name of what is deleted.

    What the card's own controller keeps of it is out of reach. Raises ``OSError`` and ``UserError``.
    """
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    remove(path)


def _take_key(config: Path, partitions: Sequence[Path]) -> str | None:
    source = _first(partitions, secrets.FILE_NAME)
    if source is None:
        return None
    key = source.read_bytes()
    if any(key):  # all zeros: the power went while it was being erased
        if len(key) != secrets.KEY_BYTES:
            raise UserError(f"{source}: a cluster key has {secrets.KEY_BYTES} bytes, not {len(key)}")
        render({secrets.FILE_NAME: key}, config, group_id=secrets.group_id())
    try:
        erase(source)
    except (OSError, UserError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(
            f"{source}: is in {config} now, and everybody can read it here: it cannot be deleted ({reason}); "
            f"delete it on another computer"
        ) from None
    return f"moved {source} into {config}"


def _take_file(config: Path, state: Path, partitions: Sequence[Path]) -> str | None:
    source = _first(partitions, SOURCE)
    if source is None:
        return None
    content = source.read_bytes()
    if _was_taken(content, state):
        return None
    try:
        text = plain_text(content)
    except UnicodeDecodeError as error:
        raise UserError(f"{source}: byte {error.start} is not UTF-8") from None
    text, node = without_node(without_card(text))
    cluster = parse(text, str(source))
    names = [each.name for each in cluster.nodes]
    if node is not None and node not in names:
        raise UserError(f'{source}: node = "{node}": there is no such node in it; {nearest(node, names)}')
    old = config / FILE_NAME
    if old.exists() and old.read_bytes() != text.encode():
        rename(old, old.with_name(f"{FILE_NAME}.old"))
    render({FILE_NAME: text, **({"node": f"{node}\n"} if node is not None else {})}, config, mode=0o644)
    render({_TAKEN: _checksum(content)}, state)
    return f"took {source}"


def _was_taken(content: bytes, state: Path) -> bool:
    taken = state / _TAKEN
    return taken.exists() and taken.read_text(encoding="utf-8") == _checksum(content)


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() + "\n"


def _first(partitions: Sequence[Path], name: str) -> Path | None:
    return next((folder / name for folder in partitions if (folder / name).is_file()), None)


def without_node(text: str) -> tuple[str, object]:
    """The cluster file without the line that says which node a card is for, and the name, if it is one."""
    head, bracket, tables = text.partition("\n[")
    found = _NODE_LINE.search(head)
    if found is None:
        return text, None
    try:
        name = tomllib.loads(found[0])["node"]
    except ValueError:  # whoever parses the whole says where
        return text, None
    return _NODE_LINE.sub("", head, count=1) + bracket + tables, name
