"""The time that everything in an image has: that of the packages, so that it does not change from build to build."""

import os
from pathlib import Path

from images.process import environment, run

_CHANGELOG = Path(__file__).parents[1] / "debian/changelog"


def source_date_epoch() -> int:
    """Seconds since 1970: $SOURCE_DATE_EPOCH, else when the packages' changelog was last written."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    return int(given or run("dpkg-parsechangelog", "-l", _CHANGELOG, "-S", "Timestamp", env=environment(0)))
