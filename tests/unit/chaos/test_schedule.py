"""The schedule of `make chaos` depends on the random seed alone."""

import itertools

import pytest

from tests.chaos.schedule import KINDS, PARTS, may_share_a_part, schedule


def test_the_same_seed_gives_the_same_faults() -> None:
    assert schedule(7, 30) == schedule(7, 30)
    assert schedule(7, 30) != schedule(8, 30)
    assert schedule(7, 30)[:10] == schedule(7, 60)[:10]


@pytest.mark.parametrize("seed", range(20))
def test_half_an_hour_has_sixty_faults_of_every_kind(seed: int) -> None:
    faults = schedule(seed, 30)
    assert len(faults) >= 60
    assert {fault.kind for fault in faults} == set(KINDS)
    assert {fault.target for fault in faults} == set(PARTS)
    assert max(fault.end_s for fault in faults) <= 1800
    assert [fault.number for fault in faults] == list(range(1, len(faults) + 1))
    assert [fault.start_s for fault in faults] == sorted(fault.start_s for fault in faults)


@pytest.mark.parametrize("seed", range(20))
def test_faults_overlap_in_pairs_that_one_part_can_have(seed: int) -> None:
    faults = schedule(seed, 60)
    pairs = [(one, other) for one, other in itertools.pairwise(faults) if other.start_s - one.start_s <= 2.1]
    assert len(pairs) >= 20
    for one, other in pairs:
        assert one.target != other.target or may_share_a_part(one.kind, other.kind)


def test_a_sensor_is_not_killed_while_its_disk_is_full() -> None:
    assert not may_share_a_part("kill", "full_disk")
    assert not may_share_a_part("read_only_disk", "torn_state")
    assert may_share_a_part("cut", "full_disk")


def test_a_fault_says_what_it_is() -> None:
    clock = next(fault for fault in schedule(1, 60) if fault.kind == "clock")
    assert str(clock) == f"clock {clock.target} ({clock.variant}) for {clock.duration_s} s"
