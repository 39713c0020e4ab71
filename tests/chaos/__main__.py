"""Entry point of `make chaos`."""

import argparse
import json
import logging
import secrets
import sys
from collections.abc import Sequence
from typing import NoReturn

from onebox.display import LogToScreen, say
from sensorpi.common.cli.output import run_and_flush
from sensorpi.common.daemon import service
from sensorpi.common.errors import UserError
from tests.chaos.namespaces import isolated
from tests.chaos.run import run


class _Parser(argparse.ArgumentParser):
    """Reports mistakes as UserError, in one line like all others."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f'{message}; ARGS="--help" shows the options')


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the options. Raises UserError for a mistake, and ends the process after printing the help."""
    parser = _Parser(
        prog='make chaos ARGS="…"',
        usage="%(prog)s",
        allow_abbrev=False,
        description="Run the whole pipeline while its parts fail, and compare every reading with what was stored.",
    )
    parser.add_argument(
        "--minutes", type=_minutes, default=5.0, metavar="M", help="how long things fail (default: %(default)g)"
    )
    parser.add_argument(
        "--seed", type=int, metavar="S", help="random seed of the schedule: the same faults again (default: a new one)"
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
    options = parser.parse_args(arguments)
    if options.seed is None:
        options.seed = secrets.randbelow(1_000_000)
    return options


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of minutes above 0")
    return value


def main() -> int:
    """Run it. A user's mistake is one line and exit status 2."""
    service.set_up_logging(logging.WARNING)
    logging.getLogger().handlers = [LogToScreen()]
    return run_and_flush(_main, "make chaos")


def _main() -> int:
    options = None
    try:
        options = parse(sys.argv[1:])
        return isolated(lambda: _reported(options))
    except UserError as error:
        return _mistake(error)


def _reported(options: argparse.Namespace) -> int:
    try:
        return run(options)
    except UserError as error:
        return _mistake(error)
    except KeyboardInterrupt:
        return 130


def _mistake(error: UserError) -> int:
    say(f"make chaos: {error}")
    if "--json" in sys.argv:
        print(json.dumps({"error": str(error)}))
    return 2


if __name__ == "__main__":
    sys.exit(main())
