"""The first start of all."""

from collections.abc import Callable

import pytest

from tests.cluster.first_start import FirstStart
from tests.cluster.site import Site

pytestmark = pytest.mark.timeout(1800)


def test_six_cold_nodes_start(site: Site, first_start: FirstStart, say: Callable[[object], None]) -> None:
    say(f"{site.engine.title}: {first_start}")
    assert site.verify() > 0
