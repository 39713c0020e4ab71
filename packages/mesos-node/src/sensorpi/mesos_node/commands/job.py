"""`sensorpi job`: start, stop and look at the Spark job, on either engine."""

import argparse
import json

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cli.node_context import NodeContext, Run, run_with_context
from sensorpi.mesos_node.commands.output import print_log, print_result
from sensorpi.mesos_node.commands.state_json import job_json
from sensorpi.mesos_node.engines.choice import engine_of
from sensorpi.mesos_node.engines.engine import Stream, WorkloadState
from sensorpi.mesos_node.notation.expressions import seconds


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `sensorpi job` and its actions."""
    job = commands.add_parser("job", help="start, stop and look at the Spark job")
    actions = job.add_subparsers(metavar="ACTION", required=True)
    for start_or_stop in (
        _command(actions, "start", _start, "start the job, and wait until it runs"),
        _command(actions, "stop", _stop, "stop the job, and wait until it has stopped"),
    ):
        start_or_stop.add_argument(
            "--timeout", default="2m", metavar="TIME", help="maximum wait; 0 does not wait (default: %(default)s)"
        )
    _command(
        actions, "status", _status, "show where the job and Spark's daemons run; exit status 1 unless the job runs"
    )
    log = _command(actions, "log", _log, "show the last lines of the job's log, or of a Spark daemon's")
    log.add_argument("task", nargs="?", default="job", metavar="TASK", help="such as spark-master (default: job)")
    log.add_argument("--stderr", action="store_true", help="standard error instead of standard output")


def _command(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: Run, about: str
) -> argparse.ArgumentParser:
    command = actions.add_parser(name, help=about, allow_abbrev=False)
    run_with_context(command, run)
    command.add_argument("--json", action="store_true", help="print JSON")
    return command


def _start(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    return print_result("start", engine_of(context).start_job(seconds(options.timeout)), options.json)


def _stop(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    return print_result("stop", engine_of(context).stop_job(seconds(options.timeout)), options.json)


def _status(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    state = engine_of(context).job()
    if options.json:
        print(json.dumps(job_json(state), indent=2))
    else:
        for each in (state.job, *(state.spark or ())):
            print(_line(each))
    return ExitCode.OK if state.job.state == "running" else ExitCode.FAILED


def _line(workload: WorkloadState) -> str:
    host = f" on {workload.task.host}" if workload.task else ""
    message = f": {workload.message}" if workload.message else ""
    return f"{workload.name}: {workload.state}{host}{message}"


def _log(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    stream = Stream.STDERR if options.stderr else Stream.STDOUT
    return print_log(engine_of(context).job_log(options.task, stream), options.json)
