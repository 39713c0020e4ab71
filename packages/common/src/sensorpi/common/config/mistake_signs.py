"""Shows a mistake in the configuration at the login prompt and by the activity LED.

The journal and the console have the same line, from the service's standard error.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from sensorpi.common.files import render

#: The package links it into /etc/issue.d, where agetty looks.
ISSUE = "mistake.issue"
#: The file that `agetty --reload` touches, to have prompts printed again that are on the screen already.
_RELOAD = "agetty.reload"
_LED_BEFORE = "led-trigger"
_PUBLIC_MODE = 0o644

LEDS = Path("/sys/class/leds")
#: Raspberry Pi's kernels call it ACT since 2022, and called it led0 before.
_ACTIVITY = ("ACT", "led0")
#: Five regular blinks a second, unlike the irregular flicker of card access.
_BLINK_MS = 100


def show(mistakes: Sequence[str], run: Path, leds: Path) -> None:
    """Show these mistakes until ``clear`` is called. An empty list clears, too. A machine need not have the LED.

    ``run`` is our folder in /run.
    """
    if not mistakes:
        clear(run, leds)
        return
    # For agetty, a backslash begins an escape sequence.
    lines = [f"sensorpi: {mistake}".replace("\\", "\\\\") for mistake in mistakes]
    render({ISSUE: "\n".join([*lines, ""])}, run, _PUBLIC_MODE)
    _reload_prompts(run)
    led = _activity_led(leds)
    if led is None:
        return
    before = (led / "trigger").read_text(encoding="ascii", errors="replace")
    if "[timer]" not in before:
        render({_LED_BEFORE: before[before.find("[") + 1 : before.find("]")] + "\n"}, run, _PUBLIC_MODE)
    with contextlib.suppress(OSError):  # the kernel may not have this trigger
        (led / "trigger").write_text("timer", encoding="ascii")
        for name in ("delay_on", "delay_off"):
            (led / name).write_text(str(_BLINK_MS), encoding="ascii")


def clear(run: Path, leds: Path) -> None:
    """Undo what ``show`` did since the boot."""
    if (run / ISSUE).exists():
        (run / ISSUE).unlink()
        _reload_prompts(run)
    remembered, led = run / _LED_BEFORE, _activity_led(leds)
    if remembered.exists() and led is not None:
        with contextlib.suppress(OSError):
            (led / "trigger").write_text(
                remembered.read_text(encoding="ascii", errors="replace").strip(), encoding="utf-8"
            )
    remembered.unlink(missing_ok=True)


def _reload_prompts(run: Path) -> None:
    with contextlib.suppress(OSError):  # there is no prompt yet
        os.utime(run.with_name(_RELOAD))


def _activity_led(leds: Path) -> Path | None:
    return next((leds / name for name in _ACTIVITY if (leds / name / "trigger").exists()), None)
