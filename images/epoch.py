"""The time of everything in an image: that of the packages, so that it is the same in each build."""

import os
from pathlib import Path

from images.process import environment, run

_CHANGELOG = Path(__file__).parents[1] / "debian/changelog"


def source_date_epoch() -> int:
    """Seconds since 1970: $SOURCE_DATE_EPOCH, else when the packages' changelog was last written."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    return int(given or run("dpkg-parsechangelog", "-l", _CHANGELOG, "-S", "Timestamp", env=environment(0)))
