"""A checkpoint that a power cut tore is healed, or moved aside."""

from pathlib import Path

import pytest

from sensorpi.pipeline.job.checkpoint import heal, mismatch, remember_topic, set_aside_stale

OFFSETS = 'v1\n{"batchWatermarkMs":0,"batchTimestampMs":1,"conf":{}}\n{"sensors":{"0":5}}'
COMMIT = 'v1\n{"nextBatchWatermarkMs":0}'


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    place = tmp_path / "checkpoint"
    for folder, text in (("offsets", OFFSETS), ("commits", COMMIT)):
        (place / folder).mkdir(parents=True)
        for batch in range(3):
            (place / folder / str(batch)).write_text(text)
            (place / folder / f".{batch}.crc").write_text("crc")
    (place / "metadata").write_text('{"id":"x"}')
    return place


def files(checkpoint: Path) -> list[str]:
    return sorted(str(file.relative_to(checkpoint)) for file in checkpoint.rglob("*") if file.is_file())


def test_a_whole_checkpoint_is_left_alone(checkpoint: Path) -> None:
    before = files(checkpoint)
    heal(checkpoint)
    assert files(checkpoint) == before


@pytest.mark.parametrize("folder", ["offsets", "commits"])
@pytest.mark.parametrize("torn", [b"", b"v1\n", b"v1\n{", b"\x00" * 40, b"garbage\n{}", b"v1\n\xff\xfe"])
def test_a_torn_last_batch_is_removed_with_its_checksums(checkpoint: Path, folder: str, torn: bytes) -> None:
    (checkpoint / folder / "2").write_bytes(torn)
    heal(checkpoint)
    assert [file for file in files(checkpoint) if "2" in file] == []
    assert "offsets/1" in files(checkpoint)
    assert "commits/1" in files(checkpoint)


def test_a_batch_that_was_planned_and_not_committed_is_whole(checkpoint: Path) -> None:
    (checkpoint / "commits" / "2").unlink()
    before = files(checkpoint)
    heal(checkpoint)
    assert files(checkpoint) == before


def test_all_from_the_first_torn_batch_on_is_removed(checkpoint: Path) -> None:
    (checkpoint / "commits" / "1").write_bytes(b"")
    heal(checkpoint)
    assert sorted(file for file in files(checkpoint) if "crc" not in file) == ["commits/0", "metadata", "offsets/0"]


def test_a_checkpoint_with_nothing_whole_moves_aside(checkpoint: Path) -> None:
    (checkpoint / "offsets" / "0").write_bytes(b"")
    heal(checkpoint)
    assert not checkpoint.exists()
    assert [place.name.startswith("checkpoint.broken-") for place in checkpoint.parent.iterdir()] == [True]


@pytest.mark.parametrize("torn", ["", "null", "{"])
def test_torn_metadata_moves_the_checkpoint_aside(checkpoint: Path, torn: str) -> None:
    (checkpoint / "metadata").write_text(torn)
    heal(checkpoint)
    assert not checkpoint.exists()


def test_a_missing_checkpoint_is_not_an_error(tmp_path: Path) -> None:
    heal(tmp_path / "checkpoint")
    assert list(tmp_path.iterdir()) == []


def test_a_stale_checkpoint_replaces_the_last_stale_one(checkpoint: Path) -> None:
    for content in ("first", "second"):
        checkpoint.mkdir(exist_ok=True)
        (checkpoint / "metadata").write_text(content)
        set_aside_stale(checkpoint)
    assert not checkpoint.exists()
    aside = [path for path in checkpoint.parent.iterdir() if path.name.startswith("checkpoint")]
    assert [(path.name, (path / "metadata").read_text()) for path in aside] == [("checkpoint.stale", "second")]


@pytest.mark.parametrize(
    ("remembered", "end", "lost"),
    [
        ("a", 5, ""),
        ("a", 9, ""),
        (None, 5, ""),  # an earlier version remembered none
        (
            "b",
            9,
            "was created again, as after the loss of all brokers' disks; the old one was read up to offset 5 of "
            "partition 0",
        ),
        ("a", 4, "ends at offset 4, but it had been read up to offset 5 of partition 0"),
        (None, 0, "ends at offset 0, but it had been read up to offset 5 of partition 0"),
    ],
)
def test_a_checkpoint_of_a_lost_log_is_known(checkpoint: Path, remembered: str | None, end: int, lost: str) -> None:
    if remembered is not None:
        remember_topic(checkpoint, remembered)
        heal(checkpoint)
    assert mismatch(checkpoint, "a", {0: end}) == (lost and f"Topic sensors {lost}")


def test_a_checkpoint_without_a_place_is_of_any_log(checkpoint: Path, tmp_path: Path) -> None:
    assert mismatch(tmp_path / "none", "a", {0: 0}) == ""
    for batch in (checkpoint / "offsets").iterdir():
        batch.write_text("v1\n{}\n-")
    assert mismatch(checkpoint, "a", {0: 0}) == ""


def test_a_batch_of_the_new_topic_does_not_hide_the_old_offset(checkpoint: Path) -> None:
    remember_topic(checkpoint, "b")
    (checkpoint / "offsets" / "2").write_text('v1\n{}\n{"sensors":{"0":2}}')
    assert mismatch(checkpoint, "a", {0: 2}).endswith("read up to offset 5 of partition 0")
