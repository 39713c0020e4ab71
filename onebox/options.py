"""The options of `make run`, as they stand in ARGS."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from sensorpi.common.errors import UserError


class _Parser(argparse.ArgumentParser):
    """Its mistakes are one line, as all others."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f'{message}; ARGS="--help" shows the options')


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options. Raises UserError for a mistake; ends the process after the help."""
    parser = _Parser(
        prog='make run ARGS="…"',
        usage="%(prog)s",
        allow_abbrev=False,
        description="Run the whole pipeline on this machine: emulated EnviroPhat, Kafka, Spark, InfluxDB, dashboard.",
    )
    parser.add_argument(
        "--for", dest="for_s", type=_positive, metavar="SECONDS", help="stop so long after the first reading, and drain"
    )
    parser.add_argument("--rate", type=_positive, default=1.0, metavar="R", help="readings a second (%(default)s)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
    replay = parser.add_argument_group("a recording in place of the synthetic weather")
    replay.add_argument("--replay", metavar="FILE", help="CSV, or JSON lines of readings")
    replay.add_argument("--map", metavar="MAP", help="what the CSV's columns mean: a shipped mapping or a TOML file")
    replay.add_argument("--speed", type=_speed, default="1", metavar="N|max", help="how much faster than recorded (1)")
    replay.add_argument(
        "--timestamps", choices=("original", "now"), default="original", help="as recorded (default), or from now on"
    )
    query = parser.add_argument_group("the data that earlier runs left")
    query.add_argument(
        "--query", metavar="INFLUXQL", help="answer from .run/, whether the pipeline runs or not, and end"
    )
    options = parser.parse_args(arguments)
    if options.replay is None and (options.map, options.speed, options.timestamps) != (None, "1", "original"):
        raise UserError("--map, --speed and --timestamps belong to --replay FILE")
    if options.query is not None and (options.replay, options.for_s) != (None, None):
        raise UserError("--query runs no pipeline: it goes with --json only")
    return options


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def _speed(text: str) -> str:
    if text != "max":
        _positive(text)
    return text
