"""The `sensorpi` command: each distribution adds its sub-commands through an entry point."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any, NoReturn

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cli.output import complain, run_and_flush
from sensorpi.common.errors import UserError

#: Each entry point is a function (subparsers) -> None; a sub-command sets `run`, a function
#: (argparse.Namespace) -> int that returns the exit status.
GROUP = "sensorpi.commands"
AddCommands = Callable[[Any], None]


class _Parser(argparse.ArgumentParser):
    """Reports a mistake as one line, as everything else does. Its sub-commands have parsers of this class, too."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; `{self.prog} --help` shows what is possible")


def parser() -> argparse.ArgumentParser:
    """The whole command line, with the sub-commands that are installed on this node."""
    top = _Parser(prog="sensorpi", description="The sensor pipeline on this node.")
    top.add_argument("--version", action="version", version=version("sensorpi-common"))
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for entry_point in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        _load(entry_point)(commands)
    return top


def _load(entry_point: EntryPoint) -> AddCommands:
    try:
        add_commands: AddCommands = entry_point.load()
    except ImportError as error:  # an upgrade was interrupted between two packages
        package = "a package" if entry_point.dist is None else entry_point.dist.name
        raise UserError(
            f"{package} is of another release than sensorpi-common ({error}); "
            f"finish the upgrade with apt --fix-broken install"
        ) from None
    return add_commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command and return its exit status, an ``ExitCode`` or that of a program that it ran.

    A user's mistake is one line on standard error; with ``--json`` also {"error": that line} on standard output.
    """
    words = sys.argv[1:] if arguments is None else arguments
    return run_and_flush(lambda: _run(words), "sensorpi")


def _run(words: Sequence[str]) -> int:
    try:
        options = _options(words)
        status: int = ExitCode.OK if options is None else options.run(options)
    except UserError as error:
        complain(f"sensorpi: {error}")
        if "--json" in words:
            print(json.dumps({"error": str(error)}))
        return ExitCode.MISTAKE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return status


def _options(words: Sequence[str]) -> argparse.Namespace | None:
    """The options; None when argparse itself has printed what was asked for, such as the help."""
    try:
        return parser().parse_args(words)
    except SystemExit:
        return None
