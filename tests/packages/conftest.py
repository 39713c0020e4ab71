"""Machines for the tests of the packages. They need root."""

import contextlib
import itertools
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.packages.base_root import CACHE, REPOSITORY, base_root
from tests.packages.leftovers import isolate, own_prefix
from tests.packages.machine import ADDRESS, Machine, run

_number = itertools.count(1)

# SIGTERM must not leave machines, mounts and networks behind.
signal.signal(signal.SIGTERM, signal.default_int_handler)

NewMachine = Callable[..., Machine]


@contextlib.contextmanager
def machines() -> Iterator[NewMachine]:
    """A function that makes booted machines of a suite. All of them are torn down at the end."""
    isolate(CACHE)
    made: list[Machine] = []

    def make(suite: str, address: str = ADDRESS, lan: str | None = None, base: Path | None = None) -> Machine:
        base = base or base_root(suite)
        folder = Path(tempfile.mkdtemp(prefix=own_prefix("machine-"), dir=CACHE))
        # At most 15 letters, because it is also the name of a network interface.
        name = f"{own_prefix('sp')}{next(_number)}"
        machine = Machine(name, base, folder, REPOSITORY, address, lan)
        made.append(machine)
        machine.set_up()
        machine.boot()
        return machine

    try:
        yield make
    finally:
        for machine in reversed(made):
            machine.tear_down()


@pytest.fixture(scope="module")
def new_machine() -> Iterator[NewMachine]:
    """A function that makes machines for all tests of the module."""
    with machines() as make:
        yield make


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A fresh bookworm for one test."""
    with machines() as make:
        yield make("bookworm")


@contextlib.contextmanager
def bridged() -> Iterator[str]:
    """A network namespace with a bridge to which only machines are connected."""
    isolate(CACHE)
    name = f"{own_prefix('sp')}lan{next(_number)}"
    run("ip", "netns", "add", name)
    try:
        run("ip", "-n", name, "link", "add", "bridge", "type", "bridge")
        run("ip", "-n", name, "link", "set", "bridge", "up")
        yield name
    finally:
        run("ip", "netns", "delete", name)


@pytest.fixture(scope="module")
def lan() -> Iterator[str]:
    """A network namespace with a bridge, for the module's tests."""
    with bridged() as name:
        yield name
