"""Readings that still wait for a synchronised clock when the sensor stops. A file keeps them for the next start.

Their monotonic times are valid until the machine is rebooted. After that it is unknown when they were taken, so the
file is only renamed.
"""

import json
import logging
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from sensorpi.common.errors import UserError
from sensorpi.common.files import remove, rename, write
from sensorpi.sensor.stamping.stamps import Sample

log = logging.getLogger(__name__)

KERNEL_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class HeldFile:
    """The file in the state directory, which exists only between a stop and the next start."""

    def __init__(self, directory: Path, boot_id: Path = KERNEL_BOOT_ID) -> None:
        self._file = directory / "held-readings.json"
        self._boot_id = boot_id.read_text(encoding="ascii").strip()

    def keep(self, samples: Iterable[Sample]) -> None:
        """Write the samples, if there are any. A failure is logged."""
        rows = [asdict(sample) for sample in samples]
        if rows:
            try:
                write(self._file, json.dumps({"boot_id": self._boot_id, "samples": rows}))
            except UserError as error:
                log.error("%d readings that waited for the clock are lost: %s", len(rows), error)

    def take(self) -> list[Sample]:
        """The samples that the last run left, oldest first. A file that cannot be used is renamed, which is logged."""
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
            samples = [Sample(**row) for row in content["samples"]]
            if content["boot_id"] != self._boot_id:
                raise ValueError("the machine was rebooted, so it is unknown when they were taken")
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError) as error:
            aside = self._file.with_name(f"{self._file.name}.useless-{time.time_ns()}")
            rename(self._file, aside)
            log.warning("readings that waited for the clock cannot be used (%s); they are in %s", error, aside)
            return []
        remove(self._file)
        return samples
