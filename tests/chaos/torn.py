"""State files that a power cut or a bad card has damaged. No file that holds readings is damaged."""

import random
from pathlib import Path

#: What a damaged file contains.
_DAMAGE = {
    "empty": b"",
    "zeros": bytes(4096),
    "not JSON": b"\x00\xff{",
    "another type": b"[1, 2]",
    "an infinite number": b'{"EnviroPhat": 1e400, "starts": 1e400, "samples": 1e400}',
    "text for a number": b'{"EnviroPhat": "soon", "starts": "soon", "samples": "soon", "number": "soon"}',
    "deep nesting": b"[" * 200_000,
}
_OF_A_SENSOR = ("latest-timestamps.json", "held-readings.json", "spool.sqlite3")
_OF_THE_JOB = ("starts.json", "claim.json", "checkpoint/offsets", "checkpoint/commits", "checkpoint/metadata")


def tear_sensor(numbers: random.Random, state: Path, runtime: Path) -> str:
    """Damage one state file of a sensor that does not run; which one, and how."""
    name = numbers.choice(_OF_A_SENSOR)
    file = (runtime if name == "latest-timestamps.json" and numbers.random() < 0.5 else state) / name
    if name != "latest-timestamps.json" and file.exists():  # it holds readings
        file = runtime / "latest-timestamps.json"
    return _damage(numbers, file)


def tear_job(numbers: random.Random, state: Path) -> str:
    """Damage one state file of the job, which does not run; which one, and how."""
    file = state / numbers.choice(_OF_THE_JOB)
    if file.is_dir():
        batches = [each for each in file.iterdir() if each.name.isdigit()]
        file = max(batches, key=lambda each: int(each.name), default=file / "0")
    return _damage(numbers, file)


def _damage(numbers: random.Random, file: Path) -> str:
    how = numbers.choice(list(_DAMAGE))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_DAMAGE[how])
    return f"{file.name} in {file.parent.name}/: {how}"
