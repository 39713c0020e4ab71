"""What the commands for brokers and job print."""

import json

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cli.output import complain
from sensorpi.mesos_node.engines.engine import Result


def print_result(action: str, result: Result, as_json: bool) -> ExitCode:
    """Print what an action did, and a reason on standard error where it failed; return the exit status."""
    if result.reason:
        complain(f"sensorpi: {result.reason}")
    if as_json:
        print(json.dumps({"workloads": result.workloads, "status": result.status}))
    elif result.status is ExitCode.OK:
        print(f"{action}: {', '.join(result.workloads)}")
    return result.status


def print_log(text: str, as_json: bool) -> ExitCode:
    """Print lines of a log as they are, or as JSON."""
    print(json.dumps({"text": text}) if as_json else text, end="\n" if as_json else "")
    return ExitCode.OK
