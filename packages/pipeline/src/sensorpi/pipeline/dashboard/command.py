"""`sensorpi pipeline dashboard`: the options of the built-in dashboard."""

import argparse
import os
import time
from pathlib import Path

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.daemon import service
from sensorpi.common.errors import UserError
from sensorpi.pipeline.dashboard.range import RangeError, parse_range
from sensorpi.pipeline.dashboard.server import CHART_JS, PAGE_USER, serve
from sensorpi.pipeline.influx.client import Endpoint

#: Where the Debian package puts the dashboard files.
DASHBOARDS = Path("/usr/share/sensorpi/grafana/dashboards")
PASSWORD_VARIABLE = "SENSORPI_READER_PASSWORD"  # noqa: S105
PAGE_PASSWORD_VARIABLE = "SENSORPI_DASHBOARD_PASSWORD"  # noqa: S105


def add_dashboard_command(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `dashboard` to the sub-commands of `sensorpi pipeline`."""
    command = subcommands.add_parser(
        "dashboard",
        allow_abbrev=False,  # otherwise --password would be accepted for --password-file
        help="serve the Grafana dashboards as a web page",
        description="Serves the Grafana dashboards as a web page. The password of InfluxDB's read-only user is read "
        f"from --password-file, or else from ${PASSWORD_VARIABLE}. If ${PAGE_PASSWORD_VARIABLE} is set, a browser has "
        f"to log in with it, as user {PAGE_USER}.",
    )
    command.add_argument(
        "--listen", metavar="HOST:PORT", default="127.0.0.1:8080", help="where to serve (default: %(default)s)"
    )
    command.add_argument(
        "--influxdb", metavar="HOST:PORT", default="127.0.0.1:8086", help="where InfluxDB is (default: %(default)s)"
    )
    command.add_argument("--password-file", metavar="FILE", type=Path, help="a file with the read-only user's password")
    command.add_argument(
        "--dashboards",
        metavar="DIR",
        type=Path,
        default=DASHBOARDS,
        help="the folder of the dashboard files (default: %(default)s)",
    )
    command.add_argument(
        "--from",
        dest="start",
        metavar="TIME",
        help="the beginning of the range that is shown first: now-15m, ISO 8601 or ms",
    )
    command.add_argument(
        "--to", dest="end", metavar="TIME", default="now", help="the end of that range (default: %(default)s)"
    )
    command.add_argument(
        "--chart-js",
        metavar="DIR",
        type=Path,
        default=CHART_JS,
        help="the folder of chart.min.js (default: %(default)s)",
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> ExitCode:
    service.set_up_logging()
    serve(
        listen=Endpoint.parse(options.listen),
        influxdb=Endpoint.parse(options.influxdb),
        reader_password=_password(options.password_file),
        dashboards=options.dashboards,
        chart_js=options.chart_js,
        default_range=_default_range(options),
        page_password=os.environ.get(PAGE_PASSWORD_VARIABLE) or None,
    )
    return ExitCode.OK


def _password(file: Path | None) -> str:
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{file}: cannot read the password: {error}") from error
    password = os.environ.get(PASSWORD_VARIABLE, "")
    if not password:
        raise UserError(f"no password for InfluxDB: give --password-file FILE or set {PASSWORD_VARIABLE}")
    return password


def _default_range(options: argparse.Namespace) -> tuple[str, str] | None:
    if options.start is None:
        return None
    try:
        parse_range(options.start, options.end, time.time_ns() // 1_000_000)
    except RangeError as error:
        raise UserError(str(error)) from error
    return options.start, options.end
