"""Shows a configuration's mistake to whoever stands before the node: at the login prompt, and by the activity LED.

The journal and the console have the same line from the service's standard error.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from sensorpi.common.files import render

#: The package links it into /etc/issue.d, where agetty looks.
ISSUE = "mistake.issue"
#: What `agetty --reload` touches, so that prompts which stand there already are written again.
_RELOAD = "agetty.reload"
_LED_BEFORE = "led-trigger"
_PUBLIC_MODE = 0o644

LEDS = Path("/sys/class/leds")
#: Raspberry Pi's kernels call it ACT since 2022, and led0 before.
_ACTIVITY = ("ACT", "led0")
#: Five blinks a second, even: a card that is read flickers without a beat.
_BLINK_MS = 100


def show(mistakes: Sequence[str], run: Path, leds: Path) -> None:
    """Show them until ``clear``; none at all is that. A machine without the LED is none the worse.

    ``run`` is our folder in /run.
    """
    if not mistakes:
        clear(run, leds)
        return
    # agetty reads \\ as the beginning of an order.
    lines = [f"sensorpi: {mistake}".replace("\\", "\\\\") for mistake in mistakes]
    render({ISSUE: "\n".join([*lines, ""])}, run, _PUBLIC_MODE)
    _reload_prompts(run)
    led = _activity_led(leds)
    if led is None:
        return
    before = (led / "trigger").read_text(encoding="ascii")
    if "[timer]" not in before:
        render({_LED_BEFORE: before[before.find("[") + 1 : before.find("]")] + "\n"}, run, _PUBLIC_MODE)
    with contextlib.suppress(OSError):  # a kernel without that trigger
        (led / "trigger").write_text("timer", encoding="ascii")
        for name in ("delay_on", "delay_off"):
            (led / name).write_text(str(_BLINK_MS), encoding="ascii")


def clear(run: Path, leds: Path) -> None:
    """Take back what ``show`` did in this boot."""
    if (run / ISSUE).exists():
        (run / ISSUE).unlink()
        _reload_prompts(run)
    remembered, led = run / _LED_BEFORE, _activity_led(leds)
    if remembered.exists() and led is not None:
        with contextlib.suppress(OSError):
            (led / "trigger").write_text(remembered.read_text(encoding="ascii").strip(), encoding="ascii")
    remembered.unlink(missing_ok=True)


def _reload_prompts(run: Path) -> None:
    with contextlib.suppress(OSError):  # no prompt stands there yet
        os.utime(run.with_name(_RELOAD))


def _activity_led(leds: Path) -> Path | None:
    return next((leds / name for name in _ACTIVITY if (leds / name / "trigger").exists()), None)
