"""`sensorpi scheduler run`: the Mesos framework that keeps the brokers and the job running."""

import argparse
import shlex

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cli.node_context import NodeContext, run_with_context
from sensorpi.common.daemon.service import set_up_logging, stop_on_signals
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.scheduler.core.task_info import Programs


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `sensorpi scheduler run`."""
    scheduler = commands.add_parser("scheduler", help="keep brokers and job running on Mesos")
    actions = scheduler.add_subparsers(metavar="ACTION", required=True)
    run = actions.add_parser("run", help="lead, or stand by, until SIGTERM or Ctrl-C")
    run_with_context(run, _run, node_option=True)
    run.add_argument("--task-config", metavar="DIR", help="where the tasks find cluster.toml (default: /run/sensorpi)")
    run.add_argument(
        "--task-user", metavar="USER", help="the user of all tasks (default: sensorpi-kafka, -job and -spark)"
    )
    run.add_argument("--broker-command", metavar="WORDS", help="runs a broker (default: sensorpi kafka run)")
    run.add_argument("--job-command", metavar="WORDS", help="runs the job (default: sensorpi pipeline job)")
    run.add_argument("--spark-command", metavar="WORDS", help="runs a daemon of Spark (default: sensorpi spark)")


def _run(context: NodeContext, options: argparse.Namespace) -> int:
    # Only the scheduler needs kazoo, bottle and waitress.
    from sensorpi.mesos_node.scheduler.framework import Options
    from sensorpi.mesos_node.scheduler.run import run

    set_up_logging()
    if context.wait_if_told("mesos-master"):
        return ExitCode.OK
    cluster = context.cluster
    if cluster.engine != "mesos":
        raise UserError(f'{context.cluster_file}: engine = "{cluster.engine}" has nothing to schedule')
    node = context.node_with("mesos-master")
    return run(Options(cluster, node, context.key, _programs(options)), stop_on_signals())


def _programs(options: argparse.Namespace) -> Programs:
    usual = Programs()
    return Programs(
        config=options.task_config or usual.config,
        broker=_words(options.broker_command, "--broker-command") or usual.broker,
        job=_words(options.job_command, "--job-command") or usual.job,
        broker_user=options.task_user or usual.broker_user,
        job_user=options.task_user or usual.job_user,
        spark=_words(options.spark_command, "--spark-command") or usual.spark,
        spark_user=options.task_user or usual.spark_user,
    )


def _words(text: str | None, option: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text or ""))
    except ValueError as error:
        raise UserError(f"{option} {text}: {error}") from None
