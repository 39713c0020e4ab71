"""The `sensorpi` command: each distribution adds its sub-commands through an entry point."""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points, version
from typing import NoReturn

from sensorpi.common.cli.output import complain, run_and_flush
from sensorpi.common.errors import UserError

#: Each entry point is a function (subparsers) -> None; a sub-command sets `run`, a function
#: (argparse.Namespace) -> int that returns the exit status.
GROUP = "sensorpi.commands"


class _Parser(argparse.ArgumentParser):
    """Its mistakes are one line, as all others; its sub-commands have parsers of this kind, too."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; `{self.prog} --help` shows what there is")


def parser() -> argparse.ArgumentParser:
    """The whole command line, as installed on this node."""
    top = _Parser(prog="sensorpi", description="The sensor pipeline on this node.")
    top.add_argument("--version", action="version", version=version("sensorpi-common"))
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for entry_point in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        entry_point.load()(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; exit status 2 with one line on standard error for a user's mistake.

    With ``--json`` a mistake is on standard output, too, as {"error": that line}.
    """
    words = sys.argv[1:] if arguments is None else arguments
    return run_and_flush(lambda: _run(words), "sensorpi")


def _run(words: Sequence[str]) -> int:
    try:
        options = _options(words)
        status: int = 0 if options is None else options.run(options)
    except UserError as error:
        complain(f"sensorpi: {error}")
        if "--json" in words:
            print(json.dumps({"error": str(error)}))
        return 2
    except KeyboardInterrupt:
        return 130
    return status


def _options(words: Sequence[str]) -> argparse.Namespace | None:
    """The command line; None when it asked for what argparse itself has printed, such as the help."""
    try:
        return parser().parse_args(words)
    except SystemExit:
        return None
