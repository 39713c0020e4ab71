"""Machines for the tests of the packages. All of it needs root."""

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.packages.base_root import CACHE, REPOSITORY, base_root
from tests.packages.machine import ADDRESS, Machine, run

_number = itertools.count(1)

NewMachine = Callable[..., Machine]


@pytest.fixture(scope="module")
def new_machine() -> Iterator[NewMachine]:
    """Makes a booted machine of a suite; all of a module's are torn down after it."""
    machines: list[Machine] = []

    def make(suite: str, address: str = ADDRESS, lan: str | None = None) -> Machine:
        folder = Path(tempfile.mkdtemp(prefix="machine-", dir=CACHE))
        # At most 15 letters: it is the name of a network interface as well.
        name = f"sp{os.getpid()}-{next(_number)}"
        machine = Machine(name, base_root(suite), folder, REPOSITORY, address, lan)
        machines.append(machine)
        machine.set_up()
        machine.boot()
        return machine

    yield make
    for machine in reversed(machines):
        machine.tear_down()


@pytest.fixture(scope="module")
def lan() -> Iterator[str]:
    """A network namespace with a bridge, to which machines are connected and nothing else is."""
    name = f"sp{os.getpid()}-lan"
    run("ip", "netns", "add", name)
    run("ip", "-n", name, "link", "add", "bridge", "type", "bridge")
    run("ip", "-n", name, "link", "set", "bridge", "up")
    yield name
    run("ip", "netns", "delete", name)
