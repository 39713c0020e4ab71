"""`sensorpi recording check`: what a recording holds, and a mapping for one that does not have any."""

import argparse
from pathlib import Path

from sensorpi.common.cli.exit_code import ExitCode


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `recording` and its own command."""
    recording = subparsers.add_parser("recording", help="recordings that can be played instead of a board")
    commands = recording.add_subparsers(metavar="COMMAND", required=True)
    check = commands.add_parser(
        "check", help="check a recording and show what it holds; without --map, propose a mapping for it"
    )
    check.add_argument("file", type=Path, metavar="FILE", help="CSV, or JSON lines of readings")
    check.add_argument(
        "--map", metavar="MAP", help="its column mapping: a shipped name or a TOML file; readings for JSON lines"
    )
    check.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> ExitCode:
    import socket

    from sensorpi.common.daemon.service import set_up_logging
    from sensorpi.common.errors import UserError
    from sensorpi.common.reading import DEFAULT_SENSOR
    from sensorpi.sensor.recordings.mapping import parse_mapping
    from sensorpi.sensor.recordings.proposal import propose
    from sensorpi.sensor.recordings.recording import Recording, load, open_recording
    from sensorpi.sensor.recordings.report import report

    set_up_logging()
    is_proposal = options.map is None and options.file.suffix not in (".jsonl", ".ndjson")
    if is_proposal:
        text = propose(options.file)
        recording = Recording(options.file, parse_mapping(text, "the proposed mapping"))
        print(text)
    else:
        recording = open_recording(options.file, options.map)
    rows, problem = recording.rows(), None
    try:
        table = load(recording, DEFAULT_SENSOR, socket.gethostname(), original=True, rows=rows)
    except UserError as error:  # there may be less to object to when the recorded times are not kept
        rows, problem = recording.rows(), error
        table = load(recording, DEFAULT_SENSOR, socket.gethostname(), original=False, rows=rows)
    mark = "# " if is_proposal else ""  # the whole output is a mapping file
    for line in report(table, rows):
        print(f"{mark}{line}")
    if problem is not None:
        print(f"{mark}only with --timestamps now: {problem}")
    return ExitCode.OK
