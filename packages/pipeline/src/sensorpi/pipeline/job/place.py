"""Where the stream starts: at its checkpoint, at the committed offsets, or at the oldest message."""

import logging
from pathlib import Path

from sensorpi.pipeline.job import checkpoint
from sensorpi.pipeline.job.offsets import GroupOffsets

_log = logging.getLogger(__name__)


def find_place(place: Path, group: GroupOffsets) -> tuple[str, str]:
    """The topic's id, and Spark's `startingOffsets`, which Spark ignores when there is a checkpoint at ``place``.

    The checkpoint of a lost log is moved aside. Raises KafkaError, and changes nothing, when the brokers do not answer.
    """
    group.forgotten.clear()
    log = group.log()
    lost = checkpoint.mismatch(place, log.id, log.ends)
    if lost:
        starting_offsets = group.start_over()  # first, because the committed offsets may belong to the lost log, too
        aside = checkpoint.set_aside_stale(place)
        _log.error(
            "%s. Messages after that which were not read are lost. Starting at the oldest message;"
            " the old checkpoint is now in %s.",
            lost,
            aside,
        )
        return log.id, starting_offsets
    return log.id, "earliest" if place.exists() else group.starting_offsets()
