"""Make Spark's checkpoint readable again after a power cut.

Spark writes one small file a batch into `offsets` and one into `commits`. A power cut can leave
the last ones empty or torn, and Spark then fails at every start. Without its last batches the
checkpoint is whole again: they are merely read once more.
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

#: Beside Spark's own files: the id of the topic that was read.
_TOPIC_FILE = "topic"


def heal(checkpoint: Path) -> None:
    """Remove the first torn batch and all after it; move a checkpoint aside that has nothing whole before.

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
        _log.error("The checkpoint was unreadable and is now %s. Continuing from the committed offsets.", aside)
    elif first_torn is not None:
        for batches in (offsets, commits):
            for number in batches.keys() & set(range(first_torn, max(batches) + 1)):
                batches[number].unlink()
                batches[number].with_name(f".{number}.crc").unlink(missing_ok=True)
        _log.warning("The checkpoint was torn at batch %d: it is read again from there.", first_torn)


def set_aside_stale(checkpoint: Path) -> Path:
    """Move a checkpoint of no more use aside, in place of the last such one; where it is now."""
    aside = checkpoint.with_name(f"{checkpoint.name}.stale")
    shutil.rmtree(aside, ignore_errors=True)
    rename(checkpoint, aside)
    return aside


def remember_topic(checkpoint: Path, topic_id: str) -> None:
    """Write down which topic its offsets are of."""
    render({_TOPIC_FILE: f"{topic_id}\n"}, checkpoint)


def why_not_of(checkpoint: Path, topic_id: str, ends: Mapping[int, int]) -> str:
    """What shows that the checkpoint belongs to a log which is lost; "" when nothing does.

    Spark goes on at its offsets all the same, and whatever the new log has before them would never be read.
    ``ends`` are the log's next offsets by partition.
    """
    reached = _reached(checkpoint)
    places = ", ".join(f"{offset} of partition {partition}" for partition, offset in sorted(reached.items()))
    file = checkpoint / _TOPIC_FILE
    if file.exists() and file.read_text(encoding="ascii", errors="replace").strip() not in ("", topic_id):
        return f"Topic {TOPIC} is a new one, as after the loss of all brokers' disks: it was read up to offset {places}"
    beyond = [partition for partition, offset in reached.items() if offset > ends.get(partition, offset)]
    if beyond:
        here = ", ".join(str(ends[partition]) for partition in beyond)
        return f"Topic {TOPIC} ends at offset {here}, and it was read up to offset {places}"
    return ""


def _reached(checkpoint: Path) -> dict[int, int]:
    """The highest offset by partition at which a batch that was planned ends.

    That is the last one's, unless the stream went on for a moment in a topic that was made anew under it.
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
    """Whether it has Spark's form: a version line, then lines of JSON (or a bare ``-`` for no offset)."""
    try:
        version, *lines = file.read_text(encoding="utf-8").splitlines()
        if not version.startswith("v") or not lines:
            return False
        for line in lines:
            if line != "-":
                json.loads(line)
    except (ValueError, OSError):  # a torn file may hold anything; UnicodeDecodeError is a ValueError
        return False
    return True


def _is_whole_metadata(file: Path) -> bool:
    try:
        return not file.exists() or "id" in json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, TypeError):
        return False
