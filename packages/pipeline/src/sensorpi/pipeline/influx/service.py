"""Configures Debian's influxdb.service by a drop-in. It listens on loopback until its admin exists, then everywhere."""

import subprocess
from collections.abc import Callable, Collection
from pathlib import Path

from sensorpi.common.cluster.model import Cluster
from sensorpi.common.errors import UserError
from sensorpi.common.files import render
from sensorpi.pipeline.influx.client import (
    DATABASE,
    INFLUXDB_ERRORS,
    SERVER_SETTINGS,
    Credentials,
    Endpoint,
    open_client,
)
from sensorpi.pipeline.influx.setup import set_up, wait_for_ping

#: It stays when our packages are removed, so that InfluxDB keeps asking for passwords.
DROP_IN = Path("/etc/systemd/system/influxdb.service.d/sensorpi.conf")
DATA = Path("/var/lib/influxdb/data")
PACKAGED = Endpoint("127.0.0.1", 8086)
_UNIT = "influxdb.service"

_START_S = 60.0
_OURS = {"_internal", DATABASE}


def drop_in_text(cluster: Cluster, loopback_only: bool) -> str:
    """The settings of influxd as a systemd drop-in; they override its own configuration file."""
    address = "127.0.0.1" if loopback_only else ""
    settings = {
        "HTTP_BIND_ADDRESS": f"{address}:{cluster.influxdb.port}",
        "BIND_ADDRESS": f"127.0.0.1:{cluster.influxdb.backup_port}",  # backups need no password
        **SERVER_SETTINGS,
    }
    lines = "".join(f"Environment=INFLUXDB_{name}={value}\n" for name, value in settings.items())
    return f"# Made from /etc/sensorpi/cluster.toml: changes here are lost.\n[Service]\n{lines}"


def other_databases(endpoint: Endpoint = PACKAGED, data: Path = DATA) -> list[str]:
    """Databases of other programs, in an InfluxDB as Debian's package starts it.

    InfluxDB is asked as well, because an empty database has no folder. Raises ``UserError`` when it does not answer, or
    asks for a password.
    """
    wait_for_ping(endpoint, _START_S)
    client = open_client(endpoint, "", "")
    try:
        answered = [row["name"] for row in client.get_list_database()]
    except INFLUXDB_ERRORS as error:
        raise UserError(f"InfluxDB at {endpoint} is used by another program, and is not changed: {error}") from error
    finally:
        client.close()
    folders = [path.name for path in data.iterdir()] if data.is_dir() else []
    return sorted({*answered, *folders} - _OURS)


def restart() -> None:
    """Have systemd read the drop-in and restart InfluxDB. Raises ``UserError``."""
    for command in (["daemon-reload"], ["restart", _UNIT]):
        result = subprocess.run(["systemctl", *command], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise UserError(f"systemctl {' '.join(command)}: {result.stderr.strip()}")


def take_over(
    cluster: Cluster,
    credentials: Credentials,
    *,
    drop_in: Path = DROP_IN,
    others: Callable[[], Collection[str]] = other_databases,
    restart: Callable[[], None] = restart,
    set_up: Callable[[Endpoint, Credentials, int], None] = set_up,
) -> None:
    """Make this machine's InfluxDB the cluster's. If it is already, only its set-up is run again.

    Raises ``UserError``, and changes nothing, when it was not ours and has databases of other programs.
    """
    present = drop_in.read_text(encoding="utf-8", errors="replace") if drop_in.is_file() else None
    if present is None and (foreign := others()):
        raise UserError(
            f"InfluxDB has databases of other programs ({', '.join(foreign)}), and is not changed; move them away, or "
            "give the role influx-grafana to another machine"
        )
    wanted = drop_in_text(cluster, loopback_only=cluster.is_one_machine)
    endpoint = Endpoint("127.0.0.1", cluster.influxdb.port)

    def write(text: str) -> None:
        if render({drop_in.name: text}, drop_in.parent, mode=0o644):
            restart()

    if present != wanted:
        write(drop_in_text(cluster, loopback_only=True))
    set_up(endpoint, credentials, cluster.influxdb.raw_retention_days)
    write(wanted)
    wait_for_ping(endpoint, _START_S)
