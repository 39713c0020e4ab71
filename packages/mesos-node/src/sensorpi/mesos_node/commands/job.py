"""`sensorpi job`: the Spark job as the operator commands it, on either engine."""

import argparse
import json

from sensorpi.common.cli.node_context import add_config_option
from sensorpi.common.cluster.model import FILE_NAME, load
from sensorpi.mesos_node.engines import mesos as mesos_commands
from sensorpi.mesos_node.engines import standalone as standalone_commands
from sensorpi.mesos_node.notation.expressions import seconds

_HELP = {
    "start": "run the job, and wait until it runs",
    "stop": "stop the job, and wait until it has stopped",
    "status": "show where the job and Spark's daemons are and how they do; the exit status is 1 unless the job runs",
    "log": "show the last lines of the job's log, or of a Spark daemon's",
}


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `sensorpi job` and its actions."""
    job = commands.add_parser("job", help="start, stop and look at the Spark job")
    actions = job.add_subparsers(metavar="ACTION", required=True)
    for name, text in _HELP.items():
        command = actions.add_parser(name, help=text, allow_abbrev=False)
        add_config_option(command)
        command.add_argument("--json", action="store_true", help="print JSON")
        if name in ("start", "stop"):
            command.add_argument(
                "--timeout", default="2m", metavar="TIME", help="0 does not wait (default: %(default)s)"
            )
        if name == "log":
            command.add_argument("task", nargs="?", default="job", metavar="TASK", help="such as spark-master (job)")
            command.add_argument("--stderr", action="store_true", help="standard error instead of standard output")
        command.set_defaults(run=_run, action=name)


def _run(options: argparse.Namespace) -> int:
    cluster = load(options.config / FILE_NAME)
    engine = mesos_commands if cluster.engine == "mesos" else standalone_commands
    if options.action == "status":
        job = engine.job(cluster, options.config)
        if options.json:
            print(json.dumps(job, indent=2))
        else:
            for each in ({"name": "job", **job}, *job.get("spark", ())):
                where = f" on {each['task']['host']}" if each.get("task") else ""
                message = f": {each['message']}" if each["message"] else ""
                print(f"{each['name']}: {each['state']}{where}{message}")
        return 0 if job["state"] == "running" else 1
    if options.action == "log":
        text = engine.job_log(cluster, options.config, options.task, stderr=options.stderr)
        print(json.dumps({"text": text}) if options.json else text, end="\n" if options.json else "")
        return 0
    result = engine.command_job(cluster, options.config, options.action, seconds(options.timeout))
    if options.json:
        print(json.dumps(result))
    elif result["status"] == 0:
        print(f"{options.action}: job")
    status: int = result["status"]
    return status
