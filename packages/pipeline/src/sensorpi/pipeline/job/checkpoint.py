"""Make Spark's checkpoint readable again after a power cut.

For each batch, Spark writes one small file into `offsets` and one into `commits`. A power cut can leave
the last files empty or truncated, and Spark then fails at every start. If they are removed, the checkpoint
is readable, and the last batches are read again.
"""

import json
import logging
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from sensorpi.common.files import rename, render
from sensorpi.common.reading import TOPIC

_log = logging.getLogger(__name__)

#: A file of ours in the checkpoint: the id of the topic that was read.
_TOPIC_FILE = "topic"


def heal(checkpoint: Path) -> None:
    """Remove the first damaged batch and all batches after it. If none is left, move the checkpoint aside.

    Without a checkpoint the job continues from the offsets of its consumer group.
    """
    if not checkpoint.exists():
        return
    offsets, commits = _batches(checkpoint / "offsets"), _batches(checkpoint / "commits")
    torn = [number for batches in (offsets, commits) for number, file in batches.items() if not _is_whole(file)]
    first_torn = min(torn, default=None)
    nothing_whole = first_torn is not None and first_torn <= min(offsets, default=first_torn)
    if nothing_whole or not _is_whole_metadata(checkpoint / "metadata"):
        aside = checkpoint.with_name(f"{checkpoint.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}")
        rename(checkpoint, aside)
        _log.error("The checkpoint was unreadable and is now in %s. Continuing from the committed offsets.", aside)
    elif first_torn is not None:
        for batches in (offsets, commits):
            for number in batches.keys() & set(range(first_torn, max(batches) + 1)):
                batches[number].unlink()
                batches[number].with_name(f".{number}.crc").unlink(missing_ok=True)
        _log.warning("The checkpoint was damaged from batch %d on: these batches are read again.", first_torn)


def set_aside_stale(checkpoint: Path) -> Path:
    """Rename a checkpoint that is not used any more, replacing an earlier such one; return its new path."""
    aside = checkpoint.with_name(f"{checkpoint.name}.stale")
    shutil.rmtree(aside, ignore_errors=True)
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
    if file.exists() and file.read_text(encoding="ascii", errors="replace").strip() not in ("", topic_id):
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
        planned = {} if last == "-" else json.loads(last).get(TOPIC, {})
        for partition, offset in planned.items():
            reached[int(partition)] = max(offset, reached.get(int(partition), 0))
    return reached


def _batches(folder: Path) -> dict[int, Path]:
    return {int(file.name): file for file in folder.glob("[0-9]*") if file.name.isdigit()}


def _is_whole(file: Path) -> bool:
    """Whether it is complete: a version line, then lines of JSON (or ``-`` for no offset)."""
    try:
        version, *lines = file.read_text(encoding="utf-8").splitlines()
        if not version.startswith("v") or not lines:
            return False
        for line in lines:
            if line != "-":
                json.loads(line)
    except (ValueError, OSError):  # a damaged file may contain anything; UnicodeDecodeError is a ValueError
        return False
    return True


def _is_whole_metadata(file: Path) -> bool:
    try:
        return not file.exists() or "id" in json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, TypeError):
        return False
