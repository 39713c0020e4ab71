"""How `make run` starts InfluxDB: everything in one folder, on loopback, with passwords."""

import os
from pathlib import Path

from sensorpi.pipeline.influx.client import SERVER_SETTINGS


def influxd_process(directory: Path, http_port: int, backup_port: int) -> tuple[list[str], dict[str, str]]:
    """The command line and the whole environment of an influxd that keeps its data in ``directory``.

    ``http_port`` answers queries, ``backup_port`` (InfluxDB's own 8088) backup and restore. No file of
    the system is read, and settings in the caller's environment do not reach it.
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
    environment["HOME"] = str(directory)  # influxd wants one, if only to ignore it
    return ["influxd", "run", "-config", os.devnull], environment
