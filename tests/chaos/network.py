"""A network of its own for the parts: one namespace and address for each, joined by a bridge that has an address, too.

Call it only in a network namespace that nobody else uses (``namespaces.isolated``).
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from sensorpi.common.errors import UserError

#: The address of the harness itself, on the bridge.
OBSERVER = "10.0.0.200"
_BRIDGE = "bridge"
#: About 500 bytes each way and a queue of two seconds: a bad radio link.
_SLOW = ("rate", "40kbit", "burst", "4kb", "latency", "2s")


class Network:
    """The cables between the parts."""

    def __init__(self, folder: Path, addresses: Mapping[str, str]) -> None:
        """``addresses`` has each part's address. Raises UserError when a tool is missing or refuses."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "link", "add", _BRIDGE, "type", "bridge")
        _run("ip", "address", "add", f"{OBSERVER}/24", "dev", _BRIDGE)
        _run("ip", "link", "set", _BRIDGE, "up")
        for part, address in addresses.items():
            self._add(part, address)

    def _add(self, part: str, address: str) -> None:
        namespace = self._namespace(part)
        namespace.touch()
        _run("unshare", f"--net={namespace}", "true")
        _run("ip", "link", "add", part, "type", "veth", "peer", "name", "lan0", "netns", str(namespace))
        _run("ip", "link", "set", part, "master", _BRIDGE, "up")
        for arguments in (
            ("link", "set", "lo", "up"),
            ("address", "add", f"{address}/24", "dev", "lan0"),
            ("link", "set", "lan0", "up"),
        ):
            _run(*self.inside(part), "ip", *arguments)

    def inside(self, part: str) -> list[str]:
        """The beginning of a command line that runs in the part's namespace."""
        return ["nsenter", f"--net={self._namespace(part)}"]

    def cut(self, part: str) -> None:
        """Unplug the part's cable."""
        _run("ip", "link", "set", part, "down")

    def plug(self, part: str) -> None:
        """Plug it in again."""
        _run("ip", "link", "set", part, "up")

    def slow(self, part: str) -> None:
        """Let through 40 kbit/s in each direction; what waits longer than two seconds is dropped."""
        _run("tc", "qdisc", "add", "dev", part, "root", "tbf", *_SLOW)
        _run(*self.inside(part), "tc", "qdisc", "add", "dev", "lan0", "root", "tbf", *_SLOW)

    def restore_speed(self, part: str) -> None:
        """Undo ``slow``."""
        _run("tc", "qdisc", "del", "dev", part, "root")
        _run(*self.inside(part), "tc", "qdisc", "del", "dev", "lan0", "root")

    def _namespace(self, part: str) -> Path:
        return self._folder / part


def _run(*command: str) -> None:
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        raise UserError(f"{command[0]} is missing: start this with `make chaos`, which installs it") from None
    if result.returncode != 0:
        raise UserError(f"{' '.join(command)}: {result.stderr.strip()}")
