"""The job's own files of any content: it starts, with one line for each that is damaged."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.pipeline.job import checkpoint
from sensorpi.pipeline.job.claim import Claim, load_claim, save_claim
from sensorpi.pipeline.job.class_archive import ClassArchive
from sensorpi.pipeline.job.deleted_letters import DeletedLetters
from sensorpi.pipeline.job.oversized import Starts
from tests.fakes.damage import DAMAGES, JSON_VALUES, damaged, put

CLAIM = Claim(3, "run", "worker01", "shared").to_metadata()
ON_DAMAGE = pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: repr(damage[:12]))

#: A checkpoint's files, by relative name.
CHECKPOINT = {
    "metadata": '{"id":"c0a8a6b0-7d43-4c6a-8f7e-5a7d7ad8b8a5"}',
    "sources/0/0": '\0v1\n{"sensors":{"0":0}}',
    **{f"offsets/{n}": f'v1\n{{"batchWatermarkMs":0}}\n{{"sensors":{{"0":{n}}}}}' for n in range(3)},
    **{f"commits/{n}": 'v1\n{"nextBatchWatermarkMs":0}' for n in range(3)},
    "topic": "AbCdEf\n",
}


@ON_DAMAGE
def test_damaged_starts_are_counted_anew(tmp_path: Path, damage: bytes | str) -> None:
    put(tmp_path / "starts.json", damage)
    starts = Starts(tmp_path)
    assert [starts.count({0: 5}), starts.count({0: 5})] == [1, 2]
    put(tmp_path / "starts.json", damage)
    starts.forget()


@ON_DAMAGE
def test_a_damaged_claim_is_none(tmp_path: Path, damage: bytes | str) -> None:
    put(tmp_path / "claim.json", damage)
    assert load_claim(tmp_path / "claim.json") is None
    save_claim(tmp_path / "claim.json", Claim(1, "run", "worker01", "shared"))
    assert load_claim(tmp_path / "claim.json") is not None


@ON_DAMAGE
def test_a_damaged_number_of_dead_letters_is_none(tmp_path: Path, damage: bytes | str) -> None:
    put(tmp_path / "dead-letters-deleted", damage)
    reported: list[str] = []
    letters = DeletedLetters(lambda: 7, tmp_path, reported.append)
    letters.check()
    letters.check()
    assert len(reported) == 1


@ON_DAMAGE
@pytest.mark.parametrize("name", ["file", "_made", "_list"])
def test_a_damaged_class_archive_is_made_again(tmp_path: Path, damage: bytes | str, name: str) -> None:
    archive = ClassArchive(tmp_path, "/bin/true", [])
    archive.file.write_bytes(b"classes")
    archive.finish()
    assert archive.flags()[0] == f"-XX:SharedArchiveFile={archive.file}"
    put(getattr(archive, name), damage)
    again = f"-XX:DumpLoadedClassList={tmp_path}/spark.classes"
    assert archive.flags()[0] == (again if name != "_list" else f"-XX:SharedArchiveFile={archive.file}")


@pytest.mark.fuzz
@given(st.one_of(st.text(max_size=200), JSON_VALUES.map(json.dumps), damaged(CLAIM.encode()).map(repr)))
def test_group_metadata_is_a_claim_or_none(text: str) -> None:
    claim = Claim.from_metadata(text)
    assert claim is None or Claim.from_metadata(claim.to_metadata()) == claim


@pytest.mark.fuzz
@given(st.sampled_from(sorted(CHECKPOINT)), st.data())
def test_a_checkpoint_of_any_content_is_healed(name: str, data: st.DataObject) -> None:
    damage = data.draw(
        st.one_of(damaged(CHECKPOINT[name].encode()), st.sampled_from(["folder", "link to itself", "pipe"]))
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "checkpoint"
        for each, text in CHECKPOINT.items():
            (place / each).parent.mkdir(parents=True, exist_ok=True)
            (place / each).write_text(text)
        put(place / name, damage)
        checkpoint.heal(place)
        if place.exists():
            checkpoint.mismatch(place, "AbCdEf", {0: 100})
            checkpoint.remember_topic(place, "AbCdEf")
        checkpoint.heal(place)
