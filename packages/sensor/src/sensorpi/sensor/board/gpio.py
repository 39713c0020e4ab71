"""The LEDs' GPIO: the first library that works, else a stand-in, because readings do not need the LEDs."""

import importlib
import logging
from typing import Any

log = logging.getLogger(__name__)


class StandInGPIO:
    """The part of RPi.GPIO that the envirophat library uses, without pins."""

    BCM, OUT, RPI_REVISION = 11, 0, 3

    def __init__(self) -> None:
        self.levels: dict[int, int] = {}

    def setwarnings(self, _on: bool) -> None:
        """Do nothing: there are no warnings."""

    def setmode(self, _mode: int) -> None:
        """Do nothing: pins always have their BCM numbers here."""

    def setup(self, pin: int, _direction: int) -> None:
        """Set up a pin."""
        self.levels[pin] = 0

    def output(self, pin: int, level: int) -> None:
        """Store a pin's level."""
        self.levels[pin] = level


class LgpioGPIO(StandInGPIO):
    """The same calls for Debian's python3-lgpio, if RPi.GPIO is missing."""

    def __init__(self, lgpio: Any) -> None:
        super().__init__()
        self._lgpio = lgpio
        self._chip = lgpio.gpiochip_open(0)

    def setup(self, pin: int, _direction: int) -> None:
        """Set up a pin as an output, low."""
        self._lgpio.gpio_claim_output(self._chip, pin, 0)

    def output(self, pin: int, level: int) -> None:
        """Set a pin's level."""
        self._lgpio.gpio_write(self._chip, pin, level)


def gpio_modules() -> list[object]:
    """GPIO libraries in the order to try them, the stand-in last.

    They are imported here, after the caller has set LG_WD. On another machine than a Pi, RPi.GPIO raises
    RuntimeError, and lgpio its own exception.
    """
    found: list[object] = []
    try:
        found.append(importlib.import_module("RPi.GPIO"))
    except (ImportError, RuntimeError, OSError) as error:
        log.debug("RPi.GPIO: %s", error)
    try:
        found.append(LgpioGPIO(importlib.import_module("lgpio")))
    except Exception as error:  # lgpio.error derives from Exception alone
        log.debug("lgpio: %s", error)
    return [*found, StandInGPIO()]
