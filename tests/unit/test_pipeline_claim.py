"""Which start of the job is the newest, as told by the metadata of committed offsets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.pipeline.claim import Claim


def test_each_start_is_newer_than_the_one_before() -> None:
    first = Claim.after(None, "worker01", "worker01:/state/checkpoint")
    second = Claim.after(first, "worker02", "shared")
    assert first < second < Claim.after(second, "worker01", "worker01:/state/checkpoint")


def test_two_starts_after_the_same_one_agree_which_of_them_counts() -> None:
    one, other = Claim.after(None, "worker01", "shared"), Claim.after(None, "worker01", "shared")
    assert (one < other) != (other < one)


@given(st.integers(1, 2**62), st.text(), st.text())
def test_a_claim_is_read_back_as_written(epoch: int, node: str, checkpoint: str) -> None:
    claim = Claim(epoch, "run", node, checkpoint)
    assert Claim.from_metadata(claim.to_metadata()) == claim


@pytest.mark.parametrize(
    "text",
    [None, "", "NO_METADATA", "[]", "{}", '{"epoch":1}', '{"epoch":"1","run":"r","node":"n","checkpoint":"c"}',
     '{"epoch":true,"run":"r","node":"n","checkpoint":"c"}', '{"epoch":1,"run":"r","node":"n","checkpoint":"c","x":1}'],
)  # fmt: skip
def test_what_another_program_committed_is_no_claim(text: str | None) -> None:
    assert Claim.from_metadata(text) is None
