"""Takes the configuration of a card from its boot partition, which any computer can write."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from sensorpi.common.card.file import SOURCE, check_node, take_apart, text_of
from sensorpi.common.cluster import secrets
from sensorpi.common.cluster.model import FILE_NAME, parse
from sensorpi.common.daemon import untrusted
from sensorpi.common.errors import UserError
from sensorpi.common.files import remove, rename, render

#: Raspberry Pi OS since bookworm, and before.
PARTITIONS = (Path("/boot/firmware"), Path("/boot"))

_TAKEN = "boot-partition.sha256"


def take_in(config: Path, state: Path, partitions: Sequence[Path] = PARTITIONS) -> str | None:
    """Bring the files on the boot partition into ``config``, each once; return a line that says what was done.

    A file is taken if its checksum differs from the one in ``state``; the file that it replaces is kept, with ``.old``
    appended to its name. A key is moved, because anyone can read that partition. Raises ``UserError`` for a mistake;
    then nothing has been taken.
    """
    done = [line for line in (_take_key(config, partitions), _take_file(config, state, partitions)) if line]
    return "; ".join(done) or None


def waits(state: Path, partitions: Sequence[Path] = PARTITIONS) -> bool:
    """Whether the boot partition has a file that has not been taken yet."""
    source = _first(partitions, SOURCE)
    return _first(partitions, secrets.FILE_NAME) is not None or (
        source is not None and not _was_taken(source.read_bytes(), state)
    )


def erase(path: Path) -> None:
    """Overwrite a file with zeros and delete it: deleting on VFAT leaves the contents on the card.

    Copies that the card's controller has made cannot be reached. Raises ``OSError`` and ``UserError``.
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
    if any(key):  # all zeros: the power failed while it was being erased
        if len(key) != secrets.KEY_BYTES:
            raise UserError(f"{source}: a cluster key has {secrets.KEY_BYTES} bytes, not {len(key)}")
        render({secrets.FILE_NAME: key}, config, group_id=secrets.group_id())
    try:
        erase(source)
    except (OSError, UserError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(
            f"{source}: was copied to {config}, but cannot be deleted here ({reason}), where anyone can read it; "
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
    file = take_apart(text_of(content, source), str(source))
    text, node = file.cluster_text, file.node
    check_node(node, parse(text, str(source)), str(source))
    old = config / FILE_NAME
    if old.exists() and old.read_bytes() != text.encode():
        rename(old, old.with_name(f"{FILE_NAME}.old"))
    render({FILE_NAME: text, **({"node": f"{node}\n"} if node is not None else {})}, config, mode=0o644)
    render({_TAKEN: _checksum(content)}, state)
    return f"took {source}"


def _was_taken(content: bytes, state: Path) -> bool:
    return untrusted.load(state / _TAKEN, str) == _checksum(content)


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() + "\n"


def _first(partitions: Sequence[Path], name: str) -> Path | None:
    return next((folder / name for folder in partitions if (folder / name).is_file()), None)
