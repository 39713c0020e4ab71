"""Loads the real envirophat library with a given bus and GPIO.

The library opens I²C and sets up the LEDs' pin when it is imported, and ends the process if either is
missing. So it is imported late, again for each board, and all of its failures are caught.
"""

import importlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Protocol

log = logging.getLogger(__name__)


class BoardMissingError(Exception):
    """There is no board that can be read. The text says what is missing and what to do."""


class Board(Protocol):
    """What the driver uses: a bus, GPIO for the LEDs, and the chips' clock."""

    def smbus_module(self) -> ModuleType:
        """The module ``smbus``. Raises BoardMissingError if there is none."""

    def gpio_modules(self) -> list[object]:
        """GPIO libraries in the order to try them."""

    def now_s(self) -> float:
        """The chips' time in seconds; it never runs backwards."""

    def sleep(self, seconds: float) -> None:
        """Let the chips' time pass."""


@contextmanager
def _modules(replacements: dict[str, Any]) -> Iterator[None]:
    """Replace modules for an import, hide an imported envirophat, and undo both afterwards."""

    def ours(name: str) -> bool:
        return name in replacements or name == "envirophat" or name.startswith("envirophat.")

    before = {name: module for name, module in sys.modules.items() if ours(name)}
    for name in before:
        del sys.modules[name]
    sys.modules.update(replacements)
    try:
        yield
    finally:
        for name in [name for name in sys.modules if ours(name)]:
            del sys.modules[name]
        sys.modules.update(before)


def set_lgpio_directory() -> None:
    """Set the directory for lgpio's pipes. A process with several threads does so before it starts them (setenv(3))."""
    os.environ.setdefault("LG_WD", os.environ.get("RUNTIME_DIRECTORY") or tempfile.gettempdir())


def load_library(board: Board) -> Any:
    """The imported ``envirophat`` module with its chips on this board's bus, and its LEDs off.

    If a GPIO library fails, the next one is tried, because readings do not need it.
    Raises BoardMissingError with the reason of the last failure.
    """
    set_lgpio_directory()
    smbus = board.smbus_module()
    failure: BaseException | None = None
    for gpio in board.gpio_modules():
        package = ModuleType("RPi")
        package.GPIO = gpio  # type: ignore[attr-defined]
        with _modules({"smbus": smbus, "RPi": package, "RPi.GPIO": gpio}):
            try:
                return importlib.import_module("envirophat")
            except (Exception, SystemExit) as error:  # GPIO libraries have their own exceptions
                log.debug("envirophat with %s: %s", type(gpio).__name__, error)
                failure = error
    raise BoardMissingError(f"the envirophat library cannot be used: {failure}") from failure
