"""Writes the files that a node's programs read, from the one cluster file: whole or not at all."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sensorpi.common.errors import UserError

#: Readable by the group that the service runs as, and by nobody else: some files hold passwords.
_SECRET_MODE = 0o640


def render(
    files: Mapping[str, str | bytes], directory: Path, mode: int = _SECRET_MODE, group_id: int | None = None
) -> list[str]:
    """Bring files below ``directory`` to the given texts, by relative name; return the names that changed.

    A reader sees the old file or the new one, never a part. ``group_id`` becomes the group of what is written, where
    it is given. Raises ``UserError`` when one cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        contents = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
        return [name for name, content in contents.items() if _replace(directory / name, content, mode, group_id)]
    except OSError as error:
        raise UserError(f"{error.filename or directory}: cannot be written: {error.strerror}") from None


def _replace(path: Path, content: bytes, mode: int, group_id: int | None) -> bool:
    if path.exists() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if group_id is not None:
                os.fchown(descriptor, -1, group_id)
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return True
