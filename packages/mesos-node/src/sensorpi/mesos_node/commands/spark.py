"""`sensorpi spark`: run the master or a worker of Spark's standalone cluster."""

import argparse
from pathlib import Path

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cli.node_context import NodeContext, run_with_context
from sensorpi.common.cluster.spark import spark_ports
from sensorpi.common.daemon.service import set_up_logging
from sensorpi.common.files import render
from sensorpi.mesos_node.launcher import launch
from sensorpi.mesos_node.spark.daemon import SparkDaemon
from sensorpi.mesos_node.spark.probe import master_probe, worker_probe

#: Where the Debian packages install Spark, and where they keep its state.
_HOME = Path("/usr/share/sensorpi-spark")
_STATE = Path("/var/lib/sensorpi")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `spark master` and `spark worker`."""
    spark = commands.add_parser("spark", help="this node's part of Spark's standalone cluster")
    actions = spark.add_subparsers(metavar="ACTION", required=True)
    for action, about, run in (
        ("master", "run the master in the foreground until SIGTERM or Ctrl-C", _master),
        ("worker", "run this node's worker in the foreground until SIGTERM or Ctrl-C", _worker),
    ):
        command = actions.add_parser(action, help=about)
        run_with_context(command, run, node_option=True)
        state = _STATE / f"spark-{action}"
        command.add_argument(
            "--state", type=Path, default=state, metavar="DIR", help="the daemon's state (%(default)s)"
        )
        command.add_argument("--home", type=Path, default=_HOME, metavar="DIR", help="where Spark is (%(default)s)")


def _daemon(context: NodeContext, options: argparse.Namespace) -> SparkDaemon:
    daemon = SparkDaemon(context.cluster, context.node, context.key, options.state.absolute(), options.home.absolute())
    render(daemon.files(), daemon.conf)
    daemon.prepare()
    return daemon


def _master(context: NodeContext, options: argparse.Namespace) -> int:
    set_up_logging()
    if context.wait_if_told("mesos-worker" if context.cluster.engine == "mesos" else "mesos-master"):
        return ExitCode.OK
    daemon = _daemon(context, options)
    probe = master_probe(spark_ports(daemon.cluster.spark).master_page, str(daemon.master_url))
    return launch("Spark's master", daemon.master_command(), probe, environment=daemon.environment(), grace_s=20.0)


def _worker(context: NodeContext, options: argparse.Namespace) -> int:
    set_up_logging()
    if context.wait_if_told("mesos-worker"):
        return ExitCode.OK
    daemon = _daemon(context, options)
    probe = worker_probe(spark_ports(daemon.cluster.spark).worker_page, str(daemon.master_url))
    return launch("Spark's worker", daemon.worker_command(), probe, environment=daemon.environment(), grace_s=20.0)
