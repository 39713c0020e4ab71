"""What a benchmark ran on: the machine, its load, and the versions of all parts."""

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import telegraf
from onebox.home import ROOT


def machine() -> dict[str, Any]:
    """Cores, model, memory, and the load averages of 1, 5 and 15 minutes."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^(?:model name|Model)\s*: (.*)$", cpuinfo, re.MULTILINE)
    return {
        "cores": os.cpu_count(),
        "model": model[1] if model else platform.machine(),
        "architecture": platform.machine(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2,
        "kernel": platform.release(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def versions() -> dict[str, str | None]:
    """Of everything that takes part; None for what is not there."""
    return {
        "commit": _first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]),
        "python": platform.python_version(),
        "java": _number(_first_line(["java", "-version"])),
        "kafka": _jar("kafka", "kafka_2.13"),
        "spark": version("pyspark"),
        "influxdb": _number(_first_line(["influxd", "version"])),
        "telegraf": telegraf.version(),
        "confluent-kafka": version("confluent-kafka"),
    }


def _first_line(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0] if lines else None


def _number(text: str | None) -> str | None:
    """The version in a program's own words."""
    found = re.search(r"\d+[\w.~+]*", text or "")
    return found[0] if found else None


def _jar(part: str, name: str) -> str | None:
    found = [file.stem.removeprefix(f"{name}-") for file in (ROOT / ".cache/jars" / part).glob(f"{name}-[0-9]*.jar")]
    return found[0] if found else None
