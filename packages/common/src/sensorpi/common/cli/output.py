"""What a command prints, and what happens when that cannot be written: a full disk, a reader that is gone."""

import os
import sys
from collections.abc import Callable
from typing import TextIO

from sensorpi.common.cli.exit_code import ExitCode


def complain(line: str) -> None:
    """Print a line on standard error. If that cannot be written, the command still ends with its own status."""
    if sys.stderr is not None:  # closed at the start; print() would take standard output instead
        try:
            print(line, file=sys.stderr, flush=True)
        except OSError:
            _discard(sys.stderr)


def run_and_flush(run: Callable[[], int], program: str) -> int:
    """Run a command and return its exit status; ``ExitCode.FAILED`` when what it printed could not be written.

    That is reported in one line, except for a reader such as `head` that has read enough.
    """
    try:
        status = run()
        print(end="", flush=True)  # an error that buffering has delayed comes here
    except OSError as error:
        if not _standard_output_fails():
            raise
        _discard(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            complain(f"{program}: standard output: {error.strerror or error}")
        return ExitCode.FAILED
    return status


def _discard(stream: TextIO) -> None:
    """Discard what its buffer still holds, or Python fails at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _standard_output_fails() -> bool:
    """Whether it is standard output that failed, and not a file or a connection."""
    if sys.stdout is None:
        return False
    try:
        os.write(sys.stdout.fileno(), b"\n")
    except OSError:
        return True
    return False
