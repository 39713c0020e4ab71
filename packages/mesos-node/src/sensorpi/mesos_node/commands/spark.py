"""`sensorpi spark`: run the master or a worker of Spark's standalone cluster."""

import argparse
from pathlib import Path

from sensorpi.common.cli.config_option import add_config_option
from sensorpi.common.cluster.identity import identify_or_fail
from sensorpi.common.cluster.model import FILE_NAME, load
from sensorpi.common.cluster.secrets import FILE_NAME as KEY_FILE_NAME
from sensorpi.common.cluster.secrets import load_key
from sensorpi.common.cluster.spark import spark_ports
from sensorpi.common.daemon.service import set_up_logging
from sensorpi.common.daemon.waiting import wait_if_told
from sensorpi.common.files import render
from sensorpi.mesos_node.launcher import launch
from sensorpi.mesos_node.spark.daemon import SparkDaemon
from sensorpi.mesos_node.spark.probe import master_probe, worker_probe

#: Where the Debian packages put what they bring and what they keep.
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
        add_config_option(command)
        command.add_argument("--node", metavar="NAME", help="be this node (default: the one this machine is)")
        command.add_argument(
            "--state", type=Path, default=_STATE / f"spark-{action}", metavar="DIR", help="what it keeps (%(default)s)"
        )
        command.add_argument("--home", type=Path, default=_HOME, metavar="DIR", help="Spark's (%(default)s)")
        command.set_defaults(run=run)


def _daemon(options: argparse.Namespace) -> SparkDaemon:
    cluster = load(options.config / FILE_NAME)
    node = identify_or_fail(cluster, options.config, options.node)
    key = load_key(options.config / KEY_FILE_NAME)
    daemon = SparkDaemon(cluster, node, key, options.state.absolute(), options.home.absolute())
    render(daemon.files(), daemon.conf)
    daemon.prepare()
    return daemon


def _master(options: argparse.Namespace) -> int:
    set_up_logging()
    role = "mesos-worker" if load(options.config / FILE_NAME).engine == "mesos" else "mesos-master"
    if wait_if_told(options.config, role):
        return 0
    daemon = _daemon(options)
    probe = master_probe(spark_ports(daemon.cluster.spark).master_page, str(daemon.master_url))
    return launch("Spark's master", daemon.master_command(), probe, environment=daemon.environment(), grace_s=20.0)


def _worker(options: argparse.Namespace) -> int:
    set_up_logging()
    if wait_if_told(options.config, "mesos-worker"):
        return 0
    daemon = _daemon(options)
    probe = worker_probe(spark_ports(daemon.cluster.spark).worker_page, str(daemon.master_url))
    return launch("Spark's worker", daemon.worker_command(), probe, environment=daemon.environment(), grace_s=20.0)
