"""Corrects the temperature for the heat of the Pi's CPU below the board."""

from pathlib import Path

CPU_TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")


class CpuHeat:
    """Lowers ``temperature`` by (CPU − measured) / factor, and keeps the measured value as ``temperature_raw``.

    The formula is from Pimoroni's own examples; a factor of 2.25 is a common start.
    """

    def __init__(self, factor: float, cpu_temperature: Path = CPU_TEMPERATURE) -> None:
        self._factor, self._cpu_temperature = factor, cpu_temperature

    def __call__(self, values: dict[str, float]) -> None:
        """Correct a reading in place. It is not changed if the CPU's temperature cannot be read."""
        if "temperature" not in values:
            return
        try:
            cpu_c = int(self._cpu_temperature.read_text(encoding="ascii")) / 1000
        except (OSError, ValueError):
            return
        measured = values["temperature"]
        values["temperature_raw"] = measured
        values["temperature"] = measured - (cpu_c - measured) / self._factor
