"""Recordings made for the tests, in the shape of those that users have."""

import csv
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

ASTRO_PI_COLUMNS = [
    "Date/Time",
    "Latitude",
    "Longitude",
    "Temperature",
    "Humidity",
    "Pressure",
    "Compass",
    "MagX",
    "MagY",
    "MagZ",
    "Pitch",
    "Roll",
    "Yaw",
    "AccelX",
    "AccelY",
    "AccelZ",
    "R",
    "G",
    "B",
    "C",
    "Motion",
]


def write_astro_pi(file: Path, rows: int) -> Path:
    """A recording with the columns, ranges and rounding of an Astro Pi's: weightless, one row each 5 s."""
    start = datetime(2022, 1, 31, 12, 0, tzinfo=UTC)
    with file.open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text)
        writer.writerow(ASTRO_PI_COLUMNS)
        for number in range(rows):
            orbit = number / 1112 * 2 * math.pi
            clear = max(0, round(45 + 60 * math.sin(orbit)))
            writer.writerow(
                [
                    f"{start + timedelta(seconds=5 * number):%Y-%m-%d %H:%M:%S}",
                    round(51.8 * math.sin(orbit), 3), round(number * 0.193 % 360 - 180, 3),
                    round(33.5 + 0.8 * math.sin(orbit / 3), 1), 57.5, round(1012.7 + math.sin(orbit / 5), 1),
                    round(number * 1.7 % 360, 1), -5.4, -10.6, -4.4, 0, 360, 117,
                    0, round(0.1 * math.sin(number), 1), 0,
                    clear * 35 // 100, clear * 32 // 100, clear * 28 // 100, clear, number % 2,
                ]
            )  # fmt: skip
    return file
