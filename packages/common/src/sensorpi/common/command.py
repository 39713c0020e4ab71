"""The `sensorpi` command: each distribution adds its sub-commands through an entry point."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points, version

from sensorpi.common.errors import UserError

#: Each entry point is a function (subparsers) -> None; a sub-command sets `run`, a function
#: (argparse.Namespace) -> int that returns the exit status.
GROUP = "sensorpi.commands"


def parser() -> argparse.ArgumentParser:
    """The whole command line, as installed on this node."""
    top = argparse.ArgumentParser(prog="sensorpi", description="The sensor pipeline on this node.")
    top.add_argument("--version", action="version", version=version("sensorpi-common"))
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for entry_point in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        entry_point.load()(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; exit status 2 with one line on standard error for a user's mistake."""
    try:
        options = parser().parse_args(arguments)
        status: int = options.run(options)
        print(end="", flush=True)  # what fails only now fails here
    except UserError as error:
        print(f"sensorpi: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
        return 1
    except KeyboardInterrupt:
        return 130
    return status
