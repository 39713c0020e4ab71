"""Random faults of machines, after which every column of every reading is compared. CHAOS_SEED gives other faults."""

import os

import pytest

from tests.cluster.conftest import NewFault
from tests.cluster.random_faults import Strike, rounds
from tests.cluster.site import Site

pytestmark = pytest.mark.timeout(1200)

_SEED, _ROUNDS = (int(os.environ.get(name, default)) for name, default in (("CHAOS_SEED", "1"), ("CHAOS_ROUNDS", "5")))


@pytest.mark.parametrize("number", range(_ROUNDS))
def test_random_faults_lose_nothing(site: Site, new_fault: NewFault, number: int) -> None:
    faults = rounds(_SEED, _ROUNDS)[number]
    fault = new_fault(" and ".join(str(each) for each in faults))
    site.wait_until_whole()
    strike = Strike(site, faults)
    fault.strike(strike.begin)
    fault.keep_away(max(each.duration_s for each in faults))
    fault.undo(strike.end)
    fault.recover(240)
