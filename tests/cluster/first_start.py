"""From `systemctl start` on all nodes to the first point in InfluxDB, and what took how long."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.cluster.site import Site, start

_LIMIT_S = 600.0


@dataclass(frozen=True)
class FirstStart:
    """Seconds since `systemctl start`."""

    first_point_s: float
    #: When each service was active, on the node where it was last.
    active_s: dict[str, float]

    def __str__(self) -> str:
        parts = ", ".join(f"{service} {seconds:.0f} s" for service, seconds in self.active_s.items())
        return f"first point in InfluxDB {self.first_point_s:.1f} s after systemctl start on six cold nodes ({parts})"


def start_all(site: Site) -> FirstStart:
    """Start every role of every node at the same time."""
    began_s, began_at_s = time.monotonic(), time.time()
    with ThreadPoolExecutor(len(site.machines)) as pool:
        list(pool.map(lambda node: start(site[node.name], node.roles), site.cluster.nodes))
    site.wait_for_reading_since(began_at_s, _LIMIT_S)
    first_point_s = time.monotonic() - began_s
    site.wait_until_whole()
    active_s: dict[str, float] = {}
    for name, machine in site.machines.items():
        for service in site.services(name):
            at_us = machine.do("systemctl", "show", "--value", "-p", "ActiveEnterTimestampMonotonic", service)
            short = service.removeprefix("sensorpi-").removesuffix(".service")
            active_s[short] = max(active_s.get(short, 0.0), int(at_us) / 1e6 - began_s)
    return FirstStart(first_point_s, dict(sorted(active_s.items(), key=lambda item: item[1])))
