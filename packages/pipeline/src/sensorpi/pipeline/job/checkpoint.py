"""Make Spark's checkpoint readable again after a power cut.

For each batch, Spark writes one small file into `offsets` and one into `commits`, each with its checksum in a hidden
file. A power cut can leave the last files missing, empty or truncated, and Spark then fails at every start. If they are
removed, the checkpoint is readable, and the last batches are read again.
"""

import logging
import re
import shutil
import struct
import time
import uuid
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from sensorpi.common.daemon import untrusted
from sensorpi.common.daemon.untrusted import NOT_AS_EXPECTED
from sensorpi.common.files import rename, render
from sensorpi.common.reading import TOPIC

_log = logging.getLogger(__name__)

#: A file of ours in the checkpoint: the id of the topic that was read.
_TOPIC_FILE = "topic"
#: The name of a batch's file.
_NUMBER = re.compile("[0-9]{1,18}")


def heal(checkpoint: Path) -> None:
    """Remove the first damaged batch and all batches after it. If too little is left, move the checkpoint aside.

    Without a checkpoint the job continues from the offsets of its consumer group.
    """
    if not checkpoint.exists():
        return
    offsets, commits = _batches(checkpoint / "offsets"), _batches(checkpoint / "commits")
    first_damaged = _first_damaged(offsets, commits)
    left = [number for number in offsets if first_damaged is None or number < first_damaged]
    # Spark starts a batch at the previous batch's offsets, and the first batch at those in `sources`.
    is_usable = bool(left) and (len(left) > 1 or left == [0])
    if not (
        is_usable
        and _is_whole(checkpoint / "metadata", _check_metadata)
        and _is_whole(checkpoint / "sources/0/0", _check_start)
    ):
        aside = checkpoint.with_name(f"{checkpoint.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}")
        rename(checkpoint, aside)
        _log.error("The checkpoint was unreadable and is now in %s. Continuing from the committed offsets.", aside)
        return
    if first_damaged is not None:
        for batches in (offsets, commits):
            for number, file in batches.items():
                if number >= first_damaged:
                    _delete(file)
        _log.warning("The checkpoint was damaged from batch %d on: these batches are read again.", first_damaged)
    for checksum in checkpoint.rglob(".*.crc"):
        if not checksum.with_name(checksum.name[1:-4]).exists():  # Spark could not write that file again
            _delete(checksum)


def _delete(path: Path) -> None:
    """Delete a file, or the folder that is in its place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def set_aside_stale(checkpoint: Path) -> Path:
    """Rename a checkpoint that is not used any more, replacing an earlier such one; return its new path."""
    aside = checkpoint.with_name(f"{checkpoint.name}.stale")
    if aside.exists():
        _delete(aside)
    rename(checkpoint, aside)
    return aside


def remember_topic(checkpoint: Path, topic_id: str) -> None:
    """Store the id of the topic that the checkpoint's offsets belong to."""
    render({_TOPIC_FILE: f"{topic_id}\n"}, checkpoint)


def mismatch(checkpoint: Path, topic_id: str, ends: Mapping[int, int]) -> str:
    """Why the checkpoint cannot belong to this topic, as after the loss of the topic's log; "" when it can.

    With such a checkpoint, Spark would continue at the old offsets, and never read what the new log has before them.
    ``ends`` are the log's next offsets by partition.
    """
    reached = _reached(checkpoint)
    places = ", ".join(f"{offset} of partition {partition}" for partition, offset in sorted(reached.items()))
    file = checkpoint / _TOPIC_FILE
    remembered = file.read_text(encoding="ascii", errors="replace").strip("\0\n") if file.is_file() else ""
    if not topic_id.startswith(remembered):  # it may be truncated
        return (
            f"Topic {TOPIC} was created again, as after the loss of all brokers' disks; the old one was read up to "
            f"offset {places}"
        )
    beyond = [partition for partition, offset in reached.items() if offset > ends.get(partition, offset)]
    if beyond:
        here = ", ".join(str(ends[partition]) for partition in beyond)
        return f"Topic {TOPIC} ends at offset {here}, but it had been read up to offset {places}"
    return ""


def _reached(checkpoint: Path) -> dict[int, int]:
    """The highest offset, by partition, at which a planned batch ends.

    That is the last batch's, unless the stream continued for a moment after the topic was created again.
    """
    reached: dict[int, int] = {}
    for file in _batches(checkpoint / "offsets").values():
        last = file.read_text(encoding="utf-8").splitlines()[-1]
        planned = {} if last == "-" else untrusted.parse_json(last).get(TOPIC, {})
        for partition, offset in planned.items():
            reached[int(partition)] = max(offset, reached.get(int(partition), 0))
    return reached


def _batches(folder: Path) -> dict[int, Path]:
    return {int(file.name): file for file in folder.glob("[0-9]*") if _NUMBER.fullmatch(file.name)}


def _first_damaged(offsets: Mapping[int, Path], commits: Mapping[int, Path]) -> int | None:
    """The number of the first batch that Spark could not read, or that is missing before another one."""
    damaged = {number for number, file in offsets.items() if not _is_whole(file, _check_offsets)}
    damaged |= {number for number, file in commits.items() if not _is_whole(file, _check_commit)}
    last = max([*offsets, *commits], default=0)
    damaged |= set(range(min(offsets, default=0), last + 1)) - set(offsets)
    return min(damaged, default=None)


def _is_whole(file: Path, check: Callable[[str], None]) -> bool:
    """Whether a file is complete: ``check`` does not raise, and the checksum, if there is one, is right."""
    checksum = file.with_name(f".{file.name}.crc")
    if not file.is_file():
        return False
    try:
        content = file.read_bytes()
        check(content.decode())
        return not checksum.exists() or checksum.read_bytes() == _checksum(content)
    except (OSError, *NOT_AS_EXPECTED):  # a damaged file may contain anything
        return False


def _checksum(content: bytes) -> bytes:
    """Hadoop's checksum file: a CRC-32 for each 512 bytes."""
    chunks = [content[start : start + 512] for start in range(0, len(content), 512)]
    return b"crc\0" + struct.pack(f">{1 + len(chunks)}I", 512, *map(zlib.crc32, chunks))


def _check_offsets(text: str) -> None:
    """Version, the batch's settings, and where it ends; ``-`` for nowhere."""
    version, settings, end = text.split("\n")
    _check_version(version)
    _check_object(settings)
    if end != "-":
        _check_object(end)
        offsets = untrusted.parse_json(end).get(TOPIC, {})
        if not all(_NUMBER.fullmatch(partition) and type(offset) is int for partition, offset in offsets.items()):
            raise TypeError(end)


def _check_commit(text: str) -> None:
    version, details = text.split("\n")
    _check_version(version)
    _check_object(details)


def _check_start(text: str) -> None:
    """Where the first batch starts, after a null byte, which is a version of this format."""
    version, start = text.removeprefix("\0").split("\n")
    _check_version(version)
    _check_object(start)


def _check_metadata(text: str) -> None:
    identity = untrusted.parse_json(text)["id"]
    if str(uuid.UUID(identity)) != identity:
        raise ValueError(identity)


def _check_version(line: str) -> None:
    if line != "v1":
        raise ValueError(line)


def _check_object(line: str) -> None:
    if not isinstance(untrusted.parse_json(line), dict):
        raise TypeError(line)
