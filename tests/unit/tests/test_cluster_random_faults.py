"""The random faults of `make test-cluster` depend on the random seed alone."""

from tests.cluster.random_faults import rounds


def test_the_same_seed_gives_the_same_rounds() -> None:
    assert rounds(1, 5) == rounds(1, 5) == rounds(1, 10)[:5]
    assert rounds(1, 5) != rounds(2, 5)


def test_faults_of_a_pair_are_in_different_places() -> None:
    pairs = [each for each in rounds(3, 200) if len(each) == 2]
    assert 50 < len(pairs) < 120
    assert all(first.place != second.place for first, second in pairs)
    assert {fault.kind for pair in pairs for fault in pair} == {"power-off", "cable cut", "freeze", "kill"}
