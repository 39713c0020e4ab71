"""Resources of an agent: ports, cpus, mem and disk, in exact arithmetic, in JSON and as text."""

import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: The order in which a master lists them.
_SCALARS = ("cpus", "mem", "disk")
_MB = 1024 * 1024

#: Scalars have three decimals in Mesos.
_SCALE = 1000

#: Less than this is not offered.
_LEAST_CPUS, _LEAST_MEM = 10, 32 * _SCALE


@dataclass(frozen=True)
class Resources:
    """Thousandths of each scalar, and single ports."""

    scalars: dict[str, int] = field(default_factory=dict)
    ports: frozenset[int] = frozenset()

    def __add__(self, other: "Resources") -> "Resources":
        names = self.scalars.keys() | other.scalars.keys()
        summed = {name: self.scalars.get(name, 0) + other.scalars.get(name, 0) for name in names}
        return Resources(summed, self.ports | other.ports)

    def __sub__(self, other: "Resources") -> "Resources":
        left = {name: value - other.scalars.get(name, 0) for name, value in self.scalars.items()}
        return Resources(left, self.ports - other.ports)

    def contains(self, other: "Resources") -> bool:
        """Whether ``other`` fits into these."""
        enough = all(self.scalars.get(name, 0) >= value for name, value in other.scalars.items())
        return enough and self.ports >= other.ports

    @property
    def allocatable(self) -> bool:
        """Whether a master would offer them."""
        return self.scalars.get("cpus", 0) >= _LEAST_CPUS or self.scalars.get("mem", 0) >= _LEAST_MEM

    def share_of(self, total: "Resources") -> float:
        """The largest share of one scalar (dominant resource fairness)."""
        shares = [self.scalars.get(name, 0) / value for name, value in total.scalars.items() if value]
        return max(shares, default=0.0)

    def to_json(self, allocated: bool) -> list[dict[str, Any]]:
        """As an offer or an agent's description lists them."""
        role: dict[str, Any] = {"role": "*"} | ({"allocation_info": {"role": "*"}} if allocated else {})
        ranges = [{"begin": begin, "end": end} for begin, end in _ranges(self.ports)]
        listed: list[dict[str, Any]] = []
        if ranges:
            listed.append({"name": "ports", "type": "RANGES", "ranges": {"range": ranges}} | role)
        for name in [*_SCALARS, *sorted(self.scalars.keys() - set(_SCALARS))]:
            if self.scalars.get(name, 0) > 0:
                listed.append({"name": name, "type": "SCALAR", "scalar": {"value": self.scalars[name] / _SCALE}} | role)
        return listed

    def to_state(self) -> dict[str, Any]:
        """As /state shows them."""
        ports = {"ports": _ranges_text(self.ports)} if self.ports else {}
        return {"gpus": 0.0} | {name: self.scalars.get(name, 0) / _SCALE for name in _SCALARS} | ports

    def __str__(self) -> str:
        return described(self.to_json(allocated=True))


def described(listed: list[dict[str, Any]]) -> str:
    """As a master's messages write them, in the order of the list."""
    parts = []
    for each in listed:
        ports = from_json([each]).ports
        value = _ranges_text(ports) if ports else f"{each['scalar']['value']:g}"
        parts.append(f"{each['name']}(allocated: *):{value}")
    return "; ".join(parts)


def from_json(listed: list[dict[str, Any]]) -> Resources:
    """From an offer's or a task's list."""
    total = Resources()
    for each in listed:
        if each["type"] == "RANGES":
            ranges = each["ranges"]["range"]
            total += Resources({}, frozenset(p for r in ranges for p in range(r["begin"], r["end"] + 1)))
        else:
            total += Resources({each["name"]: round(float(each["scalar"]["value"]) * _SCALE)})
    return total


def parse(text: str, work_dir: Path) -> Resources:
    """From --resources; cpus, mem, disk and ports that it leaves out are the machine's."""
    if text.lstrip().startswith("["):
        given = from_json(json.loads(text))
    else:
        given = Resources()
        for part in filter(None, text.split(";")):
            name, _, value = part.partition(":")
            name = name.strip().removesuffix("(*)")
            if name == "ports":
                pairs = re.findall(r"(\d+)-(\d+)", value)
                given += Resources({}, frozenset(p for a, b in pairs for p in range(int(a), int(b) + 1)))
            else:
                given += Resources({name: round(float(value) * _SCALE)})
    missing = {name: value for name, value in _machine(work_dir).items() if name not in given.scalars}
    return given + Resources(missing, frozenset() if given.ports else frozenset(range(31000, 32001)))


def attributes(text: str) -> list[dict[str, Any]]:
    """From --attributes, such as "node:worker01;slots:4"."""
    listed: list[dict[str, Any]] = []
    for part in filter(None, text.split(";")):
        name, _, value = part.partition(":")
        if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
            listed.append({"name": name, "type": "SCALAR", "scalar": {"value": float(value)}})
        else:
            listed.append({"name": name, "type": "TEXT", "text": {"value": value}})
    return listed


def _machine(work_dir: Path) -> dict[str, int]:
    mem_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MB
    disk_mb = shutil.disk_usage(work_dir).total // _MB
    leave = {
        "cpus": os.cpu_count() or 1,
        "mem": max(mem_mb - 1024, mem_mb // 2),
        "disk": max(disk_mb - 5120, disk_mb // 2),
    }
    return {name: value * _SCALE for name, value in leave.items()}


def _ranges(ports: frozenset[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for port in sorted(ports):
        if found and found[-1][1] == port - 1:
            found[-1] = (found[-1][0], port)
        else:
            found.append((port, port))
    return found


def _ranges_text(ports: frozenset[int]) -> str:
    return "[" + ", ".join(f"{begin}-{end}" for begin, end in _ranges(ports)) + "]"
