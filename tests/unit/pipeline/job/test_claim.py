"""Which start of the job is the newest, according to the metadata of committed offsets."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.pipeline.job.claim import MOST_EPOCHS, Claim, load_claim, save_claim


def test_each_start_is_newer_than_the_one_before() -> None:
    first = Claim.after(None, "worker01", "worker01:/state/checkpoint")
    second = Claim.after(first, "worker02", "shared")
    assert first < second < Claim.after(second, "worker01", "worker01:/state/checkpoint")


def test_two_starts_after_the_same_one_agree_which_is_newer() -> None:
    one, other = Claim.after(None, "worker01", "shared"), Claim.after(None, "worker01", "shared")
    assert (one < other) != (other < one)


@given(st.integers(1, MOST_EPOCHS), st.text(), st.text())
def test_a_claim_is_read_back_as_written(epoch: int, node: str, checkpoint: str) -> None:
    claim = Claim(epoch, "run", node, checkpoint)
    assert Claim.from_metadata(claim.to_metadata(beat=epoch)) == claim


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "NO_METADATA",
        "[]",
        "{}",
        '{"epoch":1,"beat":1}',
        '{"epoch":"1","run":"r","node":"n","checkpoint":"c","beat":1}',
        '{"epoch":true,"run":"r","node":"n","checkpoint":"c","beat":1}',
        '{"epoch":1,"run":"r","node":"n","checkpoint":"c","beat":1,"more":1}',
    ],
)
def test_what_another_program_committed_is_not_a_claim(text: str | None) -> None:
    assert Claim.from_metadata(text) is None


@pytest.mark.parametrize("epoch", [0, -1, MOST_EPOCHS + 1, 2**63 - 1, 10**30])
def test_a_claim_that_no_job_makes_is_ignored_with_a_line(epoch: int, caplog: pytest.LogCaptureFixture) -> None:
    assert Claim.from_metadata(Claim(epoch, "f", "nowhere", "none").to_metadata()) is None
    [record] = caplog.records
    assert record.getMessage() == (
        f"A committed offset of the job is ignored: its epoch is {epoch}, not between 1 and 1099511627776."
    )


def test_a_start_after_the_last_possible_one_counts_again() -> None:
    after = Claim.after(Claim(MOST_EPOCHS, "f", "nowhere", "none"), "worker01", "shared")
    assert after.epoch == 1
    assert Claim.from_metadata(after.to_metadata()) == after


def test_the_last_claim_is_loaded_from_the_state(tmp_path: Path) -> None:
    file = tmp_path / "state/claim.json"
    assert load_claim(file) is None
    claim = Claim.after(None, "worker01", "shared")
    save_claim(file, claim)
    assert load_claim(file) == claim
    file.write_bytes(b"\xff torn")
    assert load_claim(file) is None
