"""What a command prints, and what comes of it when nobody takes it: a full disk, a reader that has gone."""

import os
import sys
from collections.abc import Callable
from typing import TextIO


def complain(line: str) -> None:
    """Print a line on standard error, if anybody takes it: a command ends with its own status all the same."""
    if sys.stderr is not None:  # closed at the start; print() would take standard output instead
        try:
            print(line, file=sys.stderr, flush=True)
        except OSError:
            _leave(sys.stderr)


def run_and_flush(run: Callable[[], int], program: str) -> int:
    """Run a command and return its exit status; 1 when what it printed could not be written.

    That is said in one line, but for a reader such as `head` that has seen enough.
    """
    try:
        status = run()
        print(end="", flush=True)  # what fails only now fails here
    except OSError as error:
        if not _standard_output_fails():
            raise
        _leave(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            complain(f"{program}: standard output: {error.strerror or error}")
        return 1
    return status


def _leave(stream: TextIO) -> None:
    """Let what it still holds go nowhere, or Python fails when it ends."""
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
