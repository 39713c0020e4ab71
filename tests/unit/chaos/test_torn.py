"""The damage that `make chaos` does to state files never touches a file with readings."""

import random
from pathlib import Path

from tests.chaos.torn import tear_job, tear_sensor


def test_a_file_with_readings_is_left_alone(tmp_path: Path) -> None:
    state, runtime = tmp_path / "state", tmp_path / "runtime"
    state.mkdir()
    for name in ("spool.sqlite3", "held-readings.json"):
        (state / name).write_text("readings")
    done = {tear_sensor(random.Random(seed), state, runtime) for seed in range(100)}
    assert {(state / name).read_text() for name in ("spool.sqlite3", "held-readings.json")} == {"readings"}
    assert {each.split(":")[0] for each in done} == {
        "latest-timestamps.json in state/",
        "latest-timestamps.json in runtime/",
    }


def test_a_missing_spool_is_torn_in_every_way(tmp_path: Path) -> None:
    done = {tear_sensor(random.Random(seed), tmp_path / str(seed), tmp_path) for seed in range(200)}
    assert len([each for each in done if each.startswith("spool.sqlite3")]) >= 5


def test_the_newest_batch_of_a_checkpoint_is_torn(tmp_path: Path) -> None:
    for folder in ("offsets", "commits"):
        (tmp_path / "checkpoint" / folder).mkdir(parents=True)
        for batch in ("9", "10", ".10.crc"):
            (tmp_path / "checkpoint" / folder / batch).write_text("whole")
    for seed in range(50):
        tear_job(random.Random(seed), tmp_path)
    for folder in ("offsets", "commits"):
        assert (tmp_path / "checkpoint" / folder / "9").read_text() == "whole"
        assert (tmp_path / "checkpoint" / folder / "10").read_bytes() != b"whole"
