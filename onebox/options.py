"""The options of `make run`, from ARGS."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from sensorpi.common.errors import UserError


class _Parser(argparse.ArgumentParser):
    """Reports mistakes as UserError, in one line like all others."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f'{message}; ARGS="--help" shows the options')


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the options. Raises UserError for a mistake, and ends the process after printing the help."""
    parser = _Parser(
        prog='make run ARGS="…"',
        usage="%(prog)s",
        allow_abbrev=False,
        description="Run the whole pipeline on this machine: emulated EnviroPhat, Kafka, Spark, InfluxDB, dashboard.",
    )
    parser.add_argument(
        "--for",
        dest="for_s",
        type=_positive,
        metavar="SECONDS",
        help="stop this long after the first reading, and wait until every reading is stored",
    )
    parser.add_argument(
        "--rate", type=_positive, default=1.0, metavar="R", help="readings per second (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
    replay = parser.add_argument_group("a recording instead of the synthetic weather")
    replay.add_argument("--replay", metavar="FILE", help="CSV, or JSON lines of readings")
    replay.add_argument(
        "--map", metavar="MAP", help="the meaning of the CSV's columns: a shipped mapping or a TOML file"
    )
    replay.add_argument(
        "--speed", type=_speed, default="1", metavar="N|max", help="how many times faster than recorded (default: 1)"
    )
    replay.add_argument(
        "--timestamps",
        choices=("original", "now"),
        default="original",
        help="as recorded, or from now on (default: original)",
    )
    query = parser.add_argument_group("the data of earlier runs")
    query.add_argument(
        "--query",
        metavar="INFLUXQL",
        help="print the answer from the data in .run/, and end; the pipeline may be running",
    )
    options = parser.parse_args(arguments)
    if options.replay is None and (options.map, options.speed, options.timestamps) != (None, "1", "original"):
        raise UserError("--map, --speed and --timestamps need --replay FILE")
    if options.query is not None and (options.replay, options.for_s) != (None, None):
        raise UserError("--query does not run the pipeline: only --json can be used with it")
    return options


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number above 0")
    return value


def _speed(text: str) -> str:
    if text != "max":
        _positive(text)
    return text
