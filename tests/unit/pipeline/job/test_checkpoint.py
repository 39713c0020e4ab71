"""A checkpoint that a power cut damaged is healed, or moved aside."""

import itertools
import json
import logging
import re
import shutil
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorpi.pipeline.job.checkpoint import heal, mismatch, remember_topic, set_aside_stale

# What Spark 3.5 writes, with a part of the settings.
TOPIC_ID = "0ae55bd7-70db-496e-a444-17ca1080c232"
METADATA = '{"id":"30278d24-05fc-406f-93b5-ceed0923506e"}'
START = '\0v1\n{"sensors":{"0":0}}'
SETTINGS = '{"batchWatermarkMs":0,"batchTimestampMs":1795901779661,"conf":{"spark.sql.shuffle.partitions":"1"}}'
COMMIT = 'v1\n{"nextBatchWatermarkMs":0}'
#: The checksums of METADATA, START and COMMIT, as Hadoop writes them.
CHECKSUMS = {METADATA: "09924520", START: "5774e254", COMMIT: "f32abfdd"}


def offsets(batch: int) -> str:
    """The file of a batch of five messages; batch 0 is empty."""
    return f'v1\n{SETTINGS}\n{{"sensors":{{"0":{5 * batch}}}}}'


def checksum(content: bytes) -> bytes:
    assert len(content) <= 512
    return b"crc\0\0\0\2\0" + (zlib.crc32(content).to_bytes(4) if content else b"")


def make(place: Path, batches: range) -> None:
    """A checkpoint with these batches, all committed, and the topic's id."""
    texts = {"metadata": METADATA, "sources/0/0": START}
    for batch in batches:
        texts |= {f"offsets/{batch}": offsets(batch), f"commits/{batch}": COMMIT}
    for name, text in texts.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.with_name(f".{file.name}.crc").write_bytes(checksum(text.encode()))
    remember_topic(place, TOPIC_ID)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    make(tmp_path / "checkpoint", range(3))
    return tmp_path / "checkpoint"


def spark_resumes_at(place: Path) -> int:
    """The offset at which Spark would continue. Raises what it raises for a checkpoint that it cannot start from."""

    def read(name: str) -> str:
        file = place / name
        content, expected = file.read_bytes(), file.with_name(f".{file.name}.crc")
        if expected.exists() and expected.read_bytes() != checksum(content):
            raise ValueError(f"{name}: checksum")
        return content.decode()

    def end(batch: int) -> int:
        version, settings, planned = read(f"offsets/{batch}").splitlines()
        assert (version, type(json.loads(settings))) == ("v1", dict)
        return int(json.loads(planned)["sensors"]["0"])

    def batches(folder: str) -> list[int]:
        return [int(file.name) for file in (place / folder).iterdir() if file.name.isdigit()]

    uuid.UUID(json.loads(read("metadata"))["id"])
    latest = max(batches("offsets"))
    # The latest batch is planned; the one before it must be known even if the latest one is committed.
    start = end(latest - 1) if latest else int(json.loads(read("sources/0/0").removeprefix("\0v1\n"))["sensors"]["0"])
    committed = max(batches("commits"), default=None)
    if committed is not None:
        assert read(f"commits/{committed}").startswith("v1\n")
    if committed == latest:
        start, latest = end(latest), latest + 1
        assert not (place / "offsets" / f".{latest}.crc").exists()
    assert not (place / "commits" / str(latest)).exists()  # Spark takes it for another job's
    assert not (place / "commits" / f".{latest}.crc").exists()
    return start


def files(checkpoint: Path) -> list[str]:
    return sorted(str(file.relative_to(checkpoint)) for file in checkpoint.rglob("*") if file.is_file())


def test_a_whole_checkpoint_is_left_alone(checkpoint: Path) -> None:
    before = files(checkpoint)
    heal(checkpoint)
    assert files(checkpoint) == before


@pytest.mark.parametrize(("text", "sum_"), CHECKSUMS.items())
def test_the_checksums_here_are_those_of_hadoop(text: str, sum_: str) -> None:
    assert checksum(text.encode())[8:].hex() == sum_


def damages(place: Path) -> Iterator[str]:
    """Damage the checkpoint in each way that a power cut may, one at a time; yields what was done."""
    all_files = sorted(file for file in place.rglob("*") if file.is_file())
    whole = {file: file.read_bytes() for file in all_files}

    def restore() -> None:
        for folder in (place.parent).iterdir():
            if folder != place:
                shutil.rmtree(folder)
        for file, content in whole.items():
            if not file.exists() or file.read_bytes() != content:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)

    for file, content in whole.items():
        for length in range(len(content)):
            file.write_bytes(content[:length])
            yield f"{file.relative_to(place)} cut to {length} bytes"
            restore()
        file.write_bytes(bytes(len(content)))
        yield f"{file.relative_to(place)} has only null bytes"
        restore()
    for pair in [*itertools.combinations(all_files, 1), *itertools.combinations(all_files, 2)]:
        for file in pair:
            file.unlink()
        yield f"without {' and '.join(str(file.relative_to(place)) for file in pair)}"
        restore()


@pytest.mark.parametrize("first", [0, 57])
def test_every_checkpoint_that_a_power_cut_leaves_starts(
    tmp_path: Path, first: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)  # thousands of lines otherwise
    place = tmp_path / "run" / "checkpoint"
    make(place, range(first, first + 3))
    settled = 5 * (first + 2)
    ways = 0
    for damage in damages(place):
        ways += 1
        heal(place)
        if place.exists():
            assert mismatch(place, TOPIC_ID, {0: settled}) == "", damage
            start = spark_resumes_at(place)
            assert start in {settled - 10, settled - 5, settled}, damage
            batches = [int(number) for number in re.findall(r"(?:offsets|commits)/\.?(\d+)", damage)]
            # Nothing is read again that the damage did not touch.
            assert start >= 5 * (min(batches, default=first + 3) - 1), damage
        else:
            [aside] = place.parent.iterdir()
            assert aside.name.startswith("checkpoint.broken-"), damage
            # One batch alone is not enough for Spark, unless it is the first one.
            assert re.search(rf"metadata|sources|/\.?({first}|{first + 1})\b", damage), damage
    assert ways > 800


@pytest.mark.parametrize("folder", ["offsets", "commits"])
@pytest.mark.parametrize("torn", [b"", b"v1\n", b"v1\n{", b"\x00" * 40, b"garbage\n{}", b"v1\n\xff\xfe"])
def test_a_torn_last_batch_is_removed_with_its_checksums(checkpoint: Path, folder: str, torn: bytes) -> None:
    (checkpoint / folder / "2").write_bytes(torn)
    heal(checkpoint)
    assert [file for file in files(checkpoint) if "2" in file] == []
    assert "offsets/1" in files(checkpoint)
    assert "commits/1" in files(checkpoint)


def test_a_batch_that_was_planned_and_not_committed_is_whole(checkpoint: Path) -> None:
    for name in ("2", ".2.crc"):
        (checkpoint / "commits" / name).unlink()
    before = files(checkpoint)
    heal(checkpoint)
    assert files(checkpoint) == before


def test_all_from_the_first_torn_batch_on_is_removed(checkpoint: Path) -> None:
    (checkpoint / "commits" / "1").write_bytes(b"")
    heal(checkpoint)
    kept = ["commits/0", "metadata", "offsets/0", "sources/0/0", "topic"]
    assert [file for file in files(checkpoint) if "crc" not in file] == kept


def test_a_checkpoint_with_nothing_whole_moves_aside(checkpoint: Path) -> None:
    (checkpoint / "offsets" / "0").write_bytes(b"")
    heal(checkpoint)
    assert not checkpoint.exists()
    assert [place.name.startswith("checkpoint.broken-") for place in checkpoint.parent.iterdir()] == [True]


@pytest.mark.parametrize("torn", ["", "null", "{", '{"id":null}', '{"id":"x"}', '{"id":7}', "[]"])
def test_torn_metadata_moves_the_checkpoint_aside(checkpoint: Path, torn: str) -> None:
    (checkpoint / "metadata").write_text(torn)
    (checkpoint / ".metadata.crc").unlink()
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
        ("a", 10, ""),
        ("a", 14, ""),
        (None, 10, ""),  # an earlier version remembered none
        (
            "b",
            14,
            "was created again, as after the loss of all brokers' disks; the old one was read up to offset 10 of "
            "partition 0",
        ),
        ("a", 9, "ends at offset 9, but it had been read up to offset 10 of partition 0"),
        (None, 0, "ends at offset 0, but it had been read up to offset 10 of partition 0"),
    ],
)
def test_a_checkpoint_of_a_lost_log_is_known(checkpoint: Path, remembered: str | None, end: int, lost: str) -> None:
    (checkpoint / "topic").unlink()
    if remembered is not None:
        remember_topic(checkpoint, remembered)
        heal(checkpoint)
    assert mismatch(checkpoint, "a", {0: end}) == (lost and f"Topic sensors {lost}")


def test_a_checkpoint_without_a_place_is_of_any_log(checkpoint: Path, tmp_path: Path) -> None:
    assert mismatch(tmp_path / "none", "a", {0: 0}) == ""
    (checkpoint / "topic").unlink()
    for batch in (checkpoint / "offsets").glob("[0-9]"):
        batch.write_text("v1\n{}\n-")
    assert mismatch(checkpoint, "a", {0: 0}) == ""


def test_a_batch_of_the_new_topic_does_not_hide_the_old_offset(checkpoint: Path) -> None:
    remember_topic(checkpoint, "b")
    (checkpoint / "offsets" / "2").write_text('v1\n{}\n{"sensors":{"0":2}}')
    assert mismatch(checkpoint, "a", {0: 2}).endswith("read up to offset 5 of partition 0")
