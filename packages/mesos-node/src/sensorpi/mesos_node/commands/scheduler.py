"""`sensorpi scheduler run`: the Mesos framework that keeps the brokers and the job running."""

import argparse
import shlex

from sensorpi.common.cli.config_option import add_config_option
from sensorpi.common.cluster.identity import identify_or_fail
from sensorpi.common.cluster.model import FILE_NAME, load
from sensorpi.common.cluster.secrets import FILE_NAME as KEY_FILE_NAME
from sensorpi.common.cluster.secrets import load_key
from sensorpi.common.daemon.service import set_up_logging, stop_on_signals
from sensorpi.common.daemon.waiting import wait_if_told
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.scheduler.core.task_info import Programs


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `sensorpi scheduler run`."""
    scheduler = commands.add_parser("scheduler", help="what keeps brokers and job running on Mesos")
    actions = scheduler.add_subparsers(metavar="ACTION", required=True)
    run = actions.add_parser("run", help="lead, or stand by, until SIGTERM or Ctrl-C")
    add_config_option(run)
    run.add_argument("--node", metavar="NAME", help="be this node (default: the one this machine is)")
    run.add_argument("--task-config", metavar="DIR", help="where the tasks find cluster.toml (default: /run/sensorpi)")
    run.add_argument("--task-user", metavar="USER", help="runs all tasks (default: sensorpi-kafka, -job and -spark)")
    run.add_argument("--broker-command", metavar="WORDS", help="runs a broker (default: sensorpi kafka run)")
    run.add_argument("--job-command", metavar="WORDS", help="runs the job (default: sensorpi pipeline job)")
    run.add_argument("--spark-command", metavar="WORDS", help="runs a daemon of Spark (default: sensorpi spark)")
    run.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    # Only the scheduler needs kazoo, bottle and waitress.
    from sensorpi.mesos_node.scheduler.event_loop import Options
    from sensorpi.mesos_node.scheduler.run import run

    set_up_logging()
    if wait_if_told(options.config, "mesos-master"):
        return 0
    cluster = load(options.config / FILE_NAME)
    if cluster.engine != "mesos":
        raise UserError(f'{options.config / FILE_NAME}: engine = "{cluster.engine}": there is nothing to schedule')
    node = identify_or_fail(cluster, options.config, options.node)
    if "mesos-master" not in node.roles:
        raise UserError(f"{node.name} has not the role mesos-master, so no scheduler runs on it")
    key = load_key(options.config / KEY_FILE_NAME)
    return run(Options(cluster, node, key, _programs(options)), stop_on_signals())


def _programs(options: argparse.Namespace) -> Programs:
    usual = Programs()
    return Programs(
        config=options.task_config or usual.config,
        broker=_words(options.broker_command, "--broker-command") or usual.broker,
        job=_words(options.job_command, "--job-command") or usual.job,
        broker_user=options.task_user or usual.broker_user,
        job_user=options.task_user or usual.job_user,
        spark=tuple(shlex.split(options.spark_command)) if options.spark_command else usual.spark,
        spark_user=options.task_user or usual.spark_user,
    )


def _words(text: str | None, option: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text or ""))
    except ValueError as error:
        raise UserError(f"{option} {text}: {error}") from None
