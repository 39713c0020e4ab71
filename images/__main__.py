"""`make image` in two steps: check the order, and build it once the packages are built."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from images.build import build
from images.epoch import source_date_epoch
from images.order import Order, order
from images.publish import publish
from sensorpi.common.errors import UserError

_ROOT = Path(__file__).parents[1]
_REPOSITORY = _ROOT / "dist/repo"
_OUTPUT = _ROOT / "dist/images"
_STEPS = ("check", "build")


def main(arguments: Sequence[str]) -> int:
    """Run a step: ``check`` or ``build``."""
    try:
        [step] = arguments if len(arguments) == 1 else [""]
        if step not in _STEPS:
            raise UserError("expected check or build; `make image ROLE=… NODE=…` does both")
        asked = order(os.environ)
        if os.geteuid() != 0:
            raise UserError("building an image needs root, because an image has files of every user")
        if step == "build":
            _build(asked)
    except UserError as error:
        print(f"image: {error}", file=sys.stderr)
        return 2
    return 0


def _build(asked: Order) -> None:
    begin, epoch = time.monotonic(), source_date_epoch()
    compressed = publish(build(asked, _REPOSITORY, _OUTPUT, epoch), epoch)
    size_mb = compressed.stat().st_size / 1e6
    print(f"{compressed.relative_to(_ROOT)}: {size_mb:.0f} MB, {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
