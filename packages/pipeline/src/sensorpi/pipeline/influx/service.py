"""Takes over Debian's influxdb.service: a drop-in of our own, on loopback until its admin exists, then open."""

import subprocess
from collections.abc import Callable, Collection
from pathlib import Path

from sensorpi.common.cluster.model import Cluster
from sensorpi.common.errors import UserError
from sensorpi.common.files import render
from sensorpi.pipeline.influx.client import AWAY, DATABASE, SERVER_SETTINGS, Credentials, Endpoint, open_client
from sensorpi.pipeline.influx.setup import set_up, wait_for_ping

#: It outlives the removal of our packages: an InfluxDB that asked for passwords goes on asking.
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
        "BIND_ADDRESS": f"127.0.0.1:{cluster.influxdb.backup_port}",  # backups ask for no password
        **SERVER_SETTINGS,
    }
    lines = "".join(f"Environment=INFLUXDB_{name}={value}\n" for name, value in settings.items())
    return f"# Made from /etc/sensorpi/cluster.toml: changes here are lost.\n[Service]\n{lines}"


def other_databases(endpoint: Endpoint = PACKAGED, data: Path = DATA) -> list[str]:
    """Databases that are not this pipeline's, of an InfluxDB as Debian's package starts it.

    One without data has no folder yet, so InfluxDB itself is asked. Raises ``UserError`` when it does not answer, or
    wants a password.
    """
    wait_for_ping(endpoint, _START_S)
    client = open_client(endpoint, "", "")
    try:
        answered = [row["name"] for row in client.get_list_database()]
    except AWAY as error:
        raise UserError(f"InfluxDB at {endpoint} is somebody else's and is left alone: {error}") from error
    finally:
        client.close()
    folders = [path.name for path in data.iterdir()] if data.is_dir() else []
    return sorted({*answered, *folders} - _OURS)


def restart() -> None:
    """Have systemd read the drop-in and start InfluxDB with it. Raises ``UserError``."""
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
    """Make this machine's InfluxDB the cluster's; where it is already, only its set-up is run again.

    Raises ``UserError`` when it holds other databases and was never ours: it is left as it is then.
    """
    present = drop_in.read_text(encoding="utf-8") if drop_in.exists() else None
    if present is None and (foreign := others()):
        raise UserError(
            f"InfluxDB holds databases of others ({', '.join(foreign)}) and is left alone; move them away, or give the "
            "role influx-grafana to another machine"
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
