"""Dead letters that Kafka deleted because their topic is full are reported once."""

from pathlib import Path

from sensorpi.pipeline.job.deleted_letters import DeletedLetters


def test_each_deletion_is_reported_once_also_after_a_restart(tmp_path: Path) -> None:
    lines: list[str] = []

    def check(*, first_offset: int) -> list[str]:
        """A job that starts, checks twice and stops."""
        before = len(lines)
        job = DeletedLetters(lambda: first_offset, tmp_path, lines.append)
        job.check()
        job.check()
        return lines[before:]

    assert check(first_offset=0) == []
    [line] = check(first_offset=500)
    assert line.startswith("500 dead letters were deleted")
    assert check(first_offset=500) == []
    [line] = check(first_offset=520)
    assert line.startswith("20 dead letters were deleted")
    assert check(first_offset=0) == []  # the topic was created again
    [line] = check(first_offset=3)
    assert line.startswith("3 dead letters were deleted")


def test_a_damaged_file_does_not_stop_the_check(tmp_path: Path) -> None:
    (tmp_path / "dead-letters-deleted").write_bytes(b"\xff")
    lines: list[str] = []
    DeletedLetters(lambda: 7, tmp_path, lines.append).check()
    assert len(lines) == 1
