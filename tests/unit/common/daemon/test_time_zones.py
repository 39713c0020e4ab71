"""Tests of `sensorpi.common.daemon.time_zones`: names mean the same with and without the package tzdata-legacy."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sensorpi.common.daemon import time_zones
from sensorpi.common.daemon.time_zones import read_zone, renamed


def test_an_older_name_is_found_in_the_list_of_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_zones, "renamed", lambda: {"Old/Berlin": "Europe/Berlin"})
    assert datetime(2026, 7, 1, tzinfo=UTC).astimezone(read_zone("Old/Berlin")).hour == 2


@pytest.mark.parametrize("name", ["", "Old/Berlin", "../../etc/passwd", "/etc/localtime", "Europe", "zone.tab", "\0"])
def test_another_name_is_not_a_zone(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(name)}$"):
        read_zone(name)


def test_the_links_of_this_machine_are_read() -> None:
    assert renamed()["US/Eastern"] == "America/New_York"


def test_without_tzdata_there_are_no_links(tmp_path: Path) -> None:
    assert renamed(tmp_path) == {}
