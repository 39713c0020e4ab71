"""Readings that version 0.x kept in a file of its own while they waited for a synchronised clock."""

import math
from pathlib import Path

from sensorpi.common.daemon import untrusted
from sensorpi.common.errors import UserError
from sensorpi.common.files import remove
from sensorpi.common.reading import Reading
from sensorpi.sensor.stamping.entry import Entry, Taken

#: It holds up to 20,000 readings.
_MOST_BYTES = 64_000_000


def take_held(directory: Path, boot: str) -> list[Entry]:
    """Its readings, oldest first; the file is deleted. One that cannot be used is renamed, which is logged.

    ``boot`` is the kernel's: after a reboot it is not known when the readings were taken.
    """
    file = directory / "held-readings.json"
    entries = untrusted.load(file, lambda text: _entries(text, boot), _MOST_BYTES) or []
    if entries:
        try:
            remove(file)
        except UserError:
            return []  # or every start would publish them again
    return entries


def _entries(text: str, boot: str) -> list[Entry]:
    content = untrusted.parse_json(text)
    if not isinstance(content, dict):
        raise TypeError("not an object")
    entries = [_entry(row, boot) for row in content["samples"]]
    if content["boot_id"] != boot:
        raise ValueError("the machine was rebooted, so it is unknown when the readings were taken")
    return entries


def _entry(row: dict[str, object], kernel_boot: str) -> Entry:
    sensor, host, boot, sequence = row["sensor"], row["host"], row["boot"], row["sequence"]
    monotonic_ns, values, after_ms = row["monotonic_ns"], row["values"], row["after_first_ms"]
    if not (isinstance(sensor, str) and isinstance(host, str) and isinstance(boot, str) and isinstance(values, dict)):
        raise TypeError("a text is missing")
    if type(sequence) is not int or type(monotonic_ns) is not int or not isinstance(after_ms, int | None):
        raise TypeError("a number is missing")
    if not all(isinstance(value, float | int) and math.isfinite(value) for value in values.values()):
        raise TypeError("a value is not a number")
    message = Reading(sensor, host, boot, sequence, 0, values).to_json()
    return Entry(sensor, boot, None, message, Taken(kernel_boot, monotonic_ns, after_ms))
