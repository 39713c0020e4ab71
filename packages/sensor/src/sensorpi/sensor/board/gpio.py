"""The LEDs' GPIO: whichever library works, else a stand-in, because readings need none."""

import importlib
import logging
from typing import Any

log = logging.getLogger(__name__)


class StandInGPIO:
    """As much of RPi.GPIO as the envirophat library uses, without pins behind it."""

    BCM, OUT, RPI_REVISION = 11, 0, 3

    def __init__(self) -> None:
        self.levels: dict[int, int] = {}

    def setwarnings(self, _on: bool) -> None:
        """Nothing warns."""

    def setmode(self, _mode: int) -> None:
        """Pins are known by their BCM number anyhow."""

    def setup(self, pin: int, _direction: int) -> None:
        """Claim a pin."""
        self.levels[pin] = 0

    def output(self, pin: int, level: int) -> None:
        """Remember a pin's level."""
        self.levels[pin] = level


class LgpioGPIO(StandInGPIO):
    """The same calls on Debian's python3-lgpio, where RPi.GPIO is missing."""

    def __init__(self, lgpio: Any) -> None:
        super().__init__()
        self._lgpio = lgpio
        self._chip = lgpio.gpiochip_open(0)

    def setup(self, pin: int, _direction: int) -> None:
        """Claim a pin as an output, low."""
        self._lgpio.gpio_claim_output(self._chip, pin, 0)

    def output(self, pin: int, level: int) -> None:
        """Drive a pin."""
        self._lgpio.gpio_write(self._chip, pin, level)


def gpio_modules() -> list[object]:
    """GPIO libraries in the order to try them, the stand-in last.

    They are loaded here, where the caller has set LG_WD. Off a Pi, RPi.GPIO raises RuntimeError, and
    lgpio has an exception of its own.
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
