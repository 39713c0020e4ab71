"""`sensorpi pipeline …`: InfluxDB's set-up, the Spark job, the built-in dashboard."""

import argparse
import logging
import os
from pathlib import Path

from sensorpi.common.cli.config_option import add_config_option
from sensorpi.common.cluster import model as cluster
from sensorpi.common.cluster import secrets
from sensorpi.common.cluster.identity import identify, identify_or_fail
from sensorpi.common.daemon import service
from sensorpi.common.daemon.waiting import is_told_to_wait, wait_if_told
from sensorpi.common.share.checkpoint import SHARE
from sensorpi.pipeline.dashboard.command import add_dashboard_command
from sensorpi.pipeline.influx.client import Credentials, Endpoint
from sensorpi.pipeline.influx.service import take_over
from sensorpi.pipeline.influx.setup import set_up
from sensorpi.pipeline.job.spark_master import SparkMaster

_log = logging.getLogger(__name__)

#: Where the Debian packages put what they bring and what they keep.
JARS = Path("/usr/share/sensorpi-spark/jars")
STATE = Path("/var/lib/sensorpi/job")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `sensorpi pipeline` and its sub-commands."""
    pipeline = commands.add_parser("pipeline", help="from Kafka to InfluxDB, and the dashboard")
    subcommands = pipeline.add_subparsers(metavar="COMMAND", required=True)
    _add_set_up(subcommands)
    _add_job(subcommands)
    add_dashboard_command(subcommands)


def _add_set_up(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = subcommands.add_parser("set-up", help="make InfluxDB's database, policies and users what they should be")
    add_config_option(command)
    command.add_argument(
        "--service", action="store_true", help="of this machine's influxdb.service, which gets passwords first; as root"
    )
    command.set_defaults(run=_set_up)


def _add_job(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = subcommands.add_parser("job", help="run the Spark job")
    add_config_option(command)
    command.add_argument("--state", metavar="DIR", type=Path, default=STATE, help="holds the checkpoint (%(default)s)")
    command.add_argument(
        "--jars", metavar="DIR", type=Path, default=JARS, help="holds the jars of Spark's Kafka source (%(default)s)"
    )
    command.set_defaults(run=_job)


def _set_up(options: argparse.Namespace) -> int:
    service.set_up_logging()
    settings = cluster.load(options.config / cluster.FILE_NAME)
    if options.service and is_told_to_wait(options.config, "influx-grafana"):
        return 0
    key = secrets.load_key(options.config / secrets.FILE_NAME)
    if options.service:
        take_over(settings, influxdb_credentials(key))
        return 0
    set_up(influxdb_endpoint(settings), influxdb_credentials(key), settings.influxdb.raw_retention_days)
    return 0


def _job(options: argparse.Namespace) -> int:
    # Only the job needs PySpark; the other sub-commands run where it is not installed.
    from sensorpi.pipeline.job.run import SUPERSEDED, JobConfig, run
    from sensorpi.pipeline.job.sink import SinkConfig

    service.set_up_logging()
    if wait_if_told(options.config, "mesos-master"):
        return 0
    settings = cluster.load(options.config / cluster.FILE_NAME)
    key = secrets.load_key(options.config / secrets.FILE_NAME)
    node = job_node(settings, options.config)
    sink = SinkConfig(
        influxdb=influxdb_endpoint(settings),
        writer_password=influxdb_credentials(key).writer_password,
        bootstrap_servers=settings.bootstrap_servers,
        raw_retention_days=settings.influxdb.raw_retention_days,
        default_host=settings.spark.default_host,
    )
    checkpoint = checkpoint_folder(settings, options)
    config = JobConfig(
        sink=sink,
        state=options.state.absolute(),
        # Each task of Mesos is a new decision of the scheduler, and has a new sandbox.
        memory=Path(os.environ.get("MESOS_SANDBOX") or options.state),
        checkpoint=checkpoint,
        checkpoint_is_shared=checkpoint.is_relative_to(SHARE),
        jars=options.jars,
        host=node.name,
        trigger_ms=settings.spark.trigger_ms,
        max_offsets_per_trigger=settings.spark.max_offsets_per_trigger,
        heap_mb=settings.spark.heap_mb,
        master=SparkMaster.configured(settings, node, key, options.jars),
    )
    newer = run(config, service.stop_on_signals())
    if newer is None:
        return 0
    _log.error(
        "This job ends: a newer one runs on %s, and there is to be only one. To have it here, stop it there first.",
        newer.node,
    )
    return SUPERSEDED


def job_node(settings: cluster.Cluster, config: Path) -> cluster.Node:
    """The node that the job runs on, whose address its workers are given. Raises UserError when it is not known."""
    if settings.spark.master.startswith("local"):
        return identify(settings, config) or settings.spark_node
    return identify_or_fail(settings, config)


def checkpoint_folder(settings: cluster.Cluster, options: argparse.Namespace) -> Path:
    """Where the job remembers how far it is: beside its state, or on the share while that is there."""
    local: Path = options.state.absolute() / "checkpoint"
    if settings.spark.checkpoint != "nfs":
        return local
    if SHARE.is_mount() or identify(settings, options.config) == settings.spark_node:
        return SHARE / "job"
    _log.warning(
        "%s is not mounted: continuing with a checkpoint of this machine's own, or from the committed offsets", SHARE
    )
    return local


def influxdb_endpoint(settings: cluster.Cluster) -> Endpoint:
    """Where the cluster's InfluxDB listens, as this cluster's other nodes reach it."""
    return Endpoint(settings.connect_address(settings.influxdb_node), settings.influxdb.port)


def influxdb_credentials(key: bytes) -> Credentials:
    """The passwords that every node derives from the cluster's key."""
    return Credentials(
        admin_password=secrets.password(key, secrets.INFLUXDB_ADMIN),
        writer_password=secrets.password(key, secrets.INFLUXDB_WRITER),
        reader_password=secrets.password(key, secrets.INFLUXDB_READER),
    )
