"""How `make run` starts InfluxDB, with its data in one folder, on loopback, with passwords; and what watches it."""

import os
import sys
from pathlib import Path

from sensorpi.pipeline.influx.client import SERVER_SETTINGS, Credentials, Endpoint
from sensorpi.pipeline.influx.watch_command import PASSWORD_VARIABLE


def influxd_process(directory: Path, http_port: int, backup_port: int) -> tuple[list[str], dict[str, str]]:
    """The command line and the whole environment of an influxd that keeps its data in ``directory``.

    ``http_port`` is for queries, ``backup_port`` (by default InfluxDB has 8088) for backup and restore. The system's
    configuration and InfluxDB's settings in the caller's environment are not used.
    """
    settings = {
        "META_DIR": str(directory / "meta"),
        "DATA_DIR": str(directory / "data"),
        "DATA_WAL_DIR": str(directory / "wal"),
        "BIND_ADDRESS": f"127.0.0.1:{backup_port}",
        "HTTP_BIND_ADDRESS": f"127.0.0.1:{http_port}",
        **SERVER_SETTINGS,
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INFLUXDB_")}
    environment |= {f"INFLUXDB_{name}": value for name, value in settings.items()}
    environment["HOME"] = str(directory)  # influxd does not start without it
    return ["influxd", "run", "-config", os.devnull], environment


def watch_process(endpoint: Endpoint, directory: Path, credentials: Credentials) -> tuple[list[str], dict[str, str]]:
    """The command line, and further environment variables, of what restarts an influxd that hangs or refuses writes."""
    command = str(Path(sys.executable).with_name("sensorpi"))
    argv = [command, "pipeline", "influxdb-watch", "--influxdb", str(endpoint), "--data", str(directory)]
    return argv, {PASSWORD_VARIABLE: credentials.writer_password}
