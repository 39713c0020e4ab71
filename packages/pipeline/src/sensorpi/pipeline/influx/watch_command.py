"""`sensorpi pipeline influxdb-watch`: restarts this machine's InfluxDB when it does not recover by itself."""

import argparse
import os
from pathlib import Path

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.daemon import service
from sensorpi.common.errors import UserError
from sensorpi.pipeline.influx.client import Endpoint
from sensorpi.pipeline.influx.service import DATA, DROP_IN
from sensorpi.pipeline.influx.watch import watch

PASSWORD_VARIABLE = "SENSORPI_WRITER_PASSWORD"  # noqa: S105  the variable's name


def add_watch_command(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `influxdb-watch` to the sub-commands of `sensorpi pipeline`."""
    command = subcommands.add_parser(
        "influxdb-watch",
        help="restart InfluxDB when it does not recover by itself",
        description="Tests whether this machine's InfluxDB stores points. If it does not although its disk is good, it "
        "is killed, so that its supervisor restarts it. It must have the same user and the same parent process as this "
        f"command. The password of InfluxDB's writer is read from ${PASSWORD_VARIABLE}.",
    )
    command.add_argument(
        "--influxdb", metavar="HOST:PORT", default="127.0.0.1:8086", help="where InfluxDB is (default: %(default)s)"
    )
    command.add_argument(
        "--data", metavar="DIR", type=Path, default=DATA.parent, help="InfluxDB's folder (default: %(default)s)"
    )
    command.add_argument(
        "--service", action="store_true", help="watch influxdb.service, once the set-up has made it the pipeline's"
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> ExitCode:
    service.set_up_logging()
    password = os.environ.get(PASSWORD_VARIABLE)
    if not password:
        raise UserError(f"no password for InfluxDB: set {PASSWORD_VARIABLE}")
    endpoint = Endpoint.parse(options.influxdb)
    watch(endpoint, password, options.data, is_ours=DROP_IN.is_file if options.service else lambda: True)
    return ExitCode.OK
