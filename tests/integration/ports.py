"""TCP ports on loopback for what the tests start: no two test processes on a machine hand out the same one."""

import atexit
import socket
from functools import cache

#: Below the ports that the kernel gives to outgoing connections, above those that parts have by default.
_FIRST, _END = 10_000, 32_000
#: The first port of a block is held by the process that the block belongs to.
_BLOCK = 500


def free_port() -> int:
    """One port; each call returns another one."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """``count`` ports; each call returns others."""
    return [ports_in_a_row(1) for _ in range(count)]


def ports_in_a_row(count: int) -> int:
    """The first of ``count`` consecutive ports; each call returns others. Raises AssertionError when all are used."""
    block = _claimed_block()
    for _ in range(_BLOCK):
        first = block.take(count)
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise AssertionError(f"no {count} free ports in a row from {block.first} on")


class _Block:
    def __init__(self, first: int) -> None:
        self.first = first
        self._next = first + 1

    def take(self, count: int) -> int:
        if self._next + count > self.first + _BLOCK:
            self._next = self.first + 1
        taken, self._next = self._next, self._next + count
        return taken


@cache
def _claimed_block() -> _Block:
    """The block of this process, which keeps it until its end."""
    for first in range(_FIRST, _END, _BLOCK):
        claim = socket.socket()
        try:
            claim.bind(("127.0.0.1", first))
        except OSError:
            claim.close()
        else:
            atexit.register(claim.close)
            return _Block(first)
    raise AssertionError("too many test processes on this machine")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
