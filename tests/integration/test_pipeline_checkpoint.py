"""The real job starts with each kind of checkpoint that a power cut can leave. `test_checkpoint` has all of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.pipeline_fixture import Pipeline
from tests.integration.test_pipeline_job import checkpoint_of

pytestmark = pytest.mark.timeout(300)


def empty_commit(checkpoint: Path, last: int) -> None:
    (checkpoint / f"commits/{last}").write_bytes(b"")


def missing_commit(checkpoint: Path, last: int) -> None:
    (checkpoint / f"commits/{last}").unlink()  # and not its checksum


def offsets_without_last_line(checkpoint: Path, last: int) -> None:
    file = checkpoint / f"offsets/{last}"
    file.write_text("\n".join(file.read_text().splitlines()[:2]) + "\n")
    file.with_name(f".{last}.crc").unlink()


def missing_offsets(checkpoint: Path, last: int) -> None:
    for file in (checkpoint / "offsets").glob("[0-9]*"):
        if int(file.name) >= last:  # the job may have been stopped during a batch
            file.unlink()


def truncated_checksum(checkpoint: Path, last: int) -> None:
    (checkpoint / f"offsets/.{last}.crc").write_bytes(b"crc\0\0\0")


def metadata_without_valid_id(checkpoint: Path, _last: int) -> None:
    (checkpoint / "metadata").write_text('{"id":"x"}')
    (checkpoint / ".metadata.crc").unlink()


def empty_start(checkpoint: Path, _last: int) -> None:
    (checkpoint / "sources/0/0").write_bytes(b"")


BATCHES = "The checkpoint was damaged from batch {last} on"
ALL = "The checkpoint was unreadable and is now in"


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (empty_commit, BATCHES),
        (missing_commit, None),
        (offsets_without_last_line, BATCHES),
        (missing_offsets, BATCHES),
        (truncated_checksum, BATCHES),
        (metadata_without_valid_id, ALL),
        (empty_start, ALL),
    ],
)
def test_the_job_starts_with_a_checkpoint_that_is_damaged(
    pipeline_without_job: Pipeline, damage: Callable[[Path, int], None], line: str | None
) -> None:
    pipeline, sensor = pipeline_without_job, pipeline_without_job.new_sensor()
    last = max(int(file.name) for file in (checkpoint_of(pipeline) / "commits").glob("[0-9]*"))
    damage(checkpoint_of(pipeline), last)
    before = len(pipeline.log("spark"))
    pipeline.send_readings(sensor, 5)
    pipeline.restart("spark")
    for first in (6, 11):  # so that the next one has batches to lose
        pipeline.send_readings(sensor, 5, first=first)
        pipeline.wait_for_points(sensor, first + 4)
    stored_since_start = int(pipeline.service("spark").status.split()[0])
    pipeline.service("spark").stop()
    log = pipeline.log("spark")[before:]
    assert line is None or line.format(last=last) in log
    assert "is down" not in log  # it has started at once
    assert stored_since_start <= 60  # and not all that the topic holds
