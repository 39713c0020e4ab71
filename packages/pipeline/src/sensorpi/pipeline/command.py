"""`sensorpi pipeline …`: InfluxDB's set-up, the Spark job, the built-in dashboard."""

import argparse
import logging
import os
from pathlib import Path

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cli.node_context import NodeContext, run_with_context
from sensorpi.common.cluster import secrets
from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.daemon import service
from sensorpi.common.share.checkpoint import SHARE
from sensorpi.pipeline.dashboard.command import add_dashboard_command
from sensorpi.pipeline.influx.client import Credentials, Endpoint
from sensorpi.pipeline.influx.service import take_over
from sensorpi.pipeline.influx.setup import set_up
from sensorpi.pipeline.influx.watch_command import add_watch_command
from sensorpi.pipeline.job.spark_master import SparkMaster

_log = logging.getLogger(__name__)

#: Where the Debian packages install the jars, and where they keep the job's state.
JARS = Path("/usr/share/sensorpi-spark/jars")
STATE = Path("/var/lib/sensorpi/job")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `sensorpi pipeline` and its sub-commands."""
    pipeline = commands.add_parser("pipeline", help="from Kafka to InfluxDB, and the dashboard")
    subcommands = pipeline.add_subparsers(metavar="COMMAND", required=True)
    _add_set_up(subcommands)
    add_watch_command(subcommands)
    _add_job(subcommands)
    add_dashboard_command(subcommands)


def _add_set_up(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = subcommands.add_parser("set-up", help="set up InfluxDB's database, retention policies and users")
    run_with_context(command, _set_up)
    command.add_argument(
        "--service",
        action="store_true",
        help="set up this machine's influxdb.service, and switch its passwords on first; needs root",
    )


def _add_job(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = subcommands.add_parser("job", help="run the Spark job")
    run_with_context(command, _job)
    command.add_argument(
        "--state", metavar="DIR", type=Path, default=STATE, help="the folder of the checkpoint (default: %(default)s)"
    )
    command.add_argument(
        "--jars",
        metavar="DIR",
        type=Path,
        default=JARS,
        help="the folder with the jars of Spark's Kafka source (default: %(default)s)",
    )


def _set_up(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    service.set_up_logging()
    cluster = context.cluster
    if options.service and context.is_told_to_wait("influx-grafana"):
        return ExitCode.OK
    credentials = influxdb_credentials(context.key)
    if options.service:
        take_over(cluster, credentials)
    else:
        set_up(influxdb_endpoint(cluster), credentials, cluster.influxdb.raw_retention_days)
    return ExitCode.OK


def _job(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    # Only the job needs PySpark. The other sub-commands work without it.
    from sensorpi.pipeline.job.run import JobConfig, run
    from sensorpi.pipeline.job.sink import SinkConfig

    service.set_up_logging()
    if context.wait_if_told("mesos-master"):
        return ExitCode.OK
    cluster = context.cluster
    node = job_node(context)
    sink = SinkConfig(
        influxdb=influxdb_endpoint(cluster),
        writer_password=influxdb_credentials(context.key).writer_password,
        bootstrap_servers=cluster.bootstrap_servers,
        raw_retention_days=cluster.influxdb.raw_retention_days,
        default_host=cluster.spark.default_host,
    )
    checkpoint = checkpoint_folder(context, options.state)
    config = JobConfig(
        sink=sink,
        state=options.state.absolute(),
        cache=Path(os.environ.get("CACHE_DIRECTORY") or options.state.absolute() / "cache"),
        # The scheduler starts each Mesos task by a new decision, in a new sandbox.
        memory=Path(os.environ.get("MESOS_SANDBOX") or options.state),
        checkpoint=checkpoint,
        checkpoint_is_shared=checkpoint.is_relative_to(SHARE),
        jars=options.jars,
        host=node.name,
        trigger_ms=cluster.spark.trigger_ms,
        max_offsets_per_trigger=cluster.spark.max_offsets_per_trigger,
        heap_mb=cluster.spark.heap_mb,
        max_sensors=cluster.spark.max_sensors,
        nodes=hosts_of_nodes(cluster),
        master=SparkMaster.configured(cluster, node, context.key, options.jars),
    )
    newer = run(config, service.stop_on_signals())
    if newer is None:
        return ExitCode.OK
    _log.error(
        "This job ends, because a newer one runs on %s and only one may run. To run it here instead, stop it there "
        "first.",
        newer.node,
    )
    return ExitCode.SUPERSEDED


def hosts_of_nodes(cluster: Cluster) -> frozenset[str]:
    """What the readings of the cluster's nodes may have as host. The original project's sensor.py does not name one."""
    names = {name for node in cluster.nodes for name in (node.name, node.address)}
    return frozenset({*names, cluster.spark.default_host})


def job_node(context: NodeContext) -> Node:
    """The node that the job runs on, whose address Spark's workers connect to. Raises UserError when it is unknown."""
    if context.cluster.spark.master.startswith("local"):
        return context.known_node or context.cluster.spark_node
    return context.node


def checkpoint_folder(context: NodeContext, state: Path) -> Path:
    """The folder of the job's checkpoint: on the share, if the cluster file says so and it is mounted, else local."""
    local = state.absolute() / "checkpoint"
    if context.cluster.spark.checkpoint != "nfs":
        return local
    if SHARE.is_mount() or context.known_node == context.cluster.spark_node:
        return SHARE / "job"
    _log.warning("%s is not mounted: continuing from this machine's own checkpoint, or the committed offsets", SHARE)
    return local


def influxdb_endpoint(cluster: Cluster) -> Endpoint:
    """The address of the cluster's InfluxDB, for clients on any node."""
    return Endpoint(cluster.connect_address(cluster.influxdb_node), cluster.influxdb.port)


def influxdb_credentials(key: bytes) -> Credentials:
    """InfluxDB's passwords, which every node derives from the cluster's key."""
    return Credentials(
        admin_password=secrets.password(key, secrets.INFLUXDB_ADMIN),
        writer_password=secrets.password(key, secrets.INFLUXDB_WRITER),
        reader_password=secrets.password(key, secrets.INFLUXDB_READER),
    )
