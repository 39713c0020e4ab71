"""Machines for the tests of the packages. All of it needs root."""

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.packages.base_root import CACHE, REPOSITORY, base_root
from tests.packages.machine import Machine

_number = itertools.count(1)

NewMachine = Callable[..., Machine]


@pytest.fixture(scope="module")
def new_machine() -> Iterator[NewMachine]:
    """Makes a booted machine of a suite; all of a module's are torn down after it."""
    machines: list[Machine] = []

    def make(suite: str, name: str = "") -> Machine:
        base = base_root(suite)
        folder = Path(tempfile.mkdtemp(prefix="machine-", dir=CACHE))
        machine = Machine(name or f"sp{os.getpid()}-{next(_number)}", base, folder, REPOSITORY)
        machines.append(machine)
        machine.set_up()
        machine.boot()
        return machine

    yield make
    for machine in reversed(machines):
        machine.tear_down()
