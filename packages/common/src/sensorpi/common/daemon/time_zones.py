"""Names of time zones, so that each means the same on every machine.

Debian 13 has the older ones (US/Eastern) in a package of its own, tzdata-legacy; the list of what they are called now
is in tzdata.
"""

import functools
import zoneinfo
from pathlib import Path

ZONES = Path("/usr/share/zoneinfo")


def read_zone(name: str) -> zoneinfo.ZoneInfo:
    """The zone of that name, also of an older one. Raises ValueError if there is none."""
    for known in (name, renamed().get(name)):
        if known:
            try:
                return zoneinfo.ZoneInfo(known)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
                continue
    raise ValueError(name)


@functools.cache
def renamed(zones: Path = ZONES) -> dict[str, str]:
    """Older name → present name; empty without the package tzdata."""
    try:
        lines = (zones / "tzdata.zi").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    links = [line.split() for line in lines if line.startswith("L ")]
    return {link: target for _, target, link in links}


@functools.cache
def present_names(zones: Path = ZONES) -> frozenset[str]:
    """The names that are the same in every release of Debian: those of places, and UTC and GMT."""
    try:
        lines = (zones / "zone.tab").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    places = {line.split("\t")[2].strip() for line in lines if line and not line.startswith("#")}
    return frozenset(places | {"UTC", "GMT"})
