"""Where the parts listen on 127.0.0.1: on the usual ports, or on the next ones that nothing else uses."""

import os
import socket
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sensorpi.common.errors import UserError

USUAL_PORTS = {"kafka": 7000, "controller": 7001, "influxdb": 8086, "backup": 8088, "dashboard": 8080, "grafana": 3000}

#: The ports that the kernel gives to outgoing connections: one that is free now may not be free later.
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")

#: By port, a file descriptor. Reserved by this process until it ends, so that runs that start at the same time choose
#: different ports.
_reserved: dict[int, int] = {}


@dataclass(frozen=True)
class Ports:
    """The port of each part."""

    kafka: int
    controller: int
    influxdb: int
    backup: int
    dashboard: int
    grafana: int

    def of(self, service: str) -> set[int]:
        """All ports on which that service listens."""
        names = {"kafka": ("kafka", "controller"), "influxdb": ("influxdb", "backup")}.get(service, (service,))
        return {getattr(self, name) for name in names if hasattr(self, name)}


def choose_ports(usual: Mapping[str, int] = USUAL_PORTS, avoid: Collection[int] = ()) -> Ports:
    """The usual ports where these are free, and the next ones elsewhere; none that is in ``avoid``.

    They stay reserved for this process. Raises UserError when no port is free.
    """
    taken = set(avoid)
    chosen = {}
    for name, port in usual.items():
        chosen[name] = _free_port(port, taken | set(usual.values()) - {port})
        taken.add(chosen[name])
    return Ports(**chosen)


def _free_port(usual: int, taken: set[int]) -> int:
    for port in _candidates(usual):
        if port not in taken and _reserve(port):
            if _is_free(port):
                return port
            os.close(_reserved.pop(port))
    raise UserError(f"there is no free port for the part that usually has port {usual}")


def _candidates(usual: int) -> Iterator[int]:
    first, last = map(int, _EPHEMERAL.read_text(encoding="ascii").split())
    ephemeral = range(first, last + 1)
    yield usual
    yield from (port for port in (*range(usual + 1, 65536), *range(1024, usual)) if port not in ephemeral)
    yield from ephemeral  # where the administrator has left no other


def _reserve(port: int) -> bool:
    """Bind a Unix socket named after the port. Its name is abstract, so it ends with this process."""
    if port in _reserved:
        return True
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mark.bind(f"\0sensorpi-port-{port}")
    except OSError:
        mark.close()
        return False
    _reserved[port] = mark.detach()
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        try:
            # This also fails if another program listens on one address only, where it would get our connections.
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True
