"""The folder `.run/`: the configuration of a one-machine cluster, and the data and addresses of its parts."""

import fcntl
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from onebox.ports import Ports
from sensorpi.common.cluster import secrets
from sensorpi.common.cluster.model import FILE_NAME, Cluster, load
from sensorpi.common.errors import UserError
from sensorpi.common.files import render, write

#: The maximum wait for the children of a killed run.
LEFTOVERS_END_S = 60.0

ROOT = Path(__file__).resolve().parent.parent
NODE = "onebox"

_CLUSTER = """\
# Written by `make run` at each start: a change here is lost.
[nodes.{node}]
address = "127.0.0.1"
roles = ["sensor", "mesos-worker", "mesos-master", "influx-grafana"]

[sensor]
rate_hz = {rate_hz}

[kafka]
port = {kafka}
controller_port = {controller}
heap_mb = 256
memory_mb = 512
partitions = {partitions}

[spark]
master = "local[{cores}]"
trigger_ms = {trigger_ms}
heap_mb = {heap_mb}

[influxdb]
port = {influxdb}
backup_port = {backup}
raw_retention_days = 0

[dashboard]
port = {dashboard}
"""


@dataclass(frozen=True)
class Scale:
    """What `make run` fixes and the benchmark varies: the topic's partitions, and the job's settings."""

    partitions: int = 1
    cores: int = 1
    trigger_ms: int = 200
    heap_mb: int = 512


@dataclass(frozen=True)
class Home:
    """The paths below `.run/`, or below $SENSORPI_RUN, which the tests set."""

    path: Path = field(default_factory=lambda: Path(os.environ.get("SENSORPI_RUN") or ROOT / ".run").absolute())

    @property
    def config(self) -> Path:
        """cluster.toml, cluster.key and the node's name."""
        return self.path / "etc"

    @property
    def logs(self) -> Path:
        """The folder of the log files, one for each part."""
        return self.path / "logs"

    @property
    def endpoints(self) -> Path:
        """The file with the addresses of the running parts."""
        return self.path / "endpoints.json"

    def lock(self) -> IO[str] | None:
        """Lock this folder for this process and the children that inherit the file; None if another process has it.

        If a run was killed, this waits until its children have ended, because they hold the lock, too.
        Raises UserError when the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise UserError(f"{error.filename}: {error.strerror}") from error
        deadline = time.monotonic() + LEFTOVERS_END_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if _owner_lives(file) or time.monotonic() > deadline:
                    file.close()
                    return None
                time.sleep(0.1)
            else:
                file.truncate(0)
                file.write(f"{os.getpid()}\n")
                file.flush()
                return file

    def configure(self, ports: Ports, rate_hz: float, scale: Scale = Scale()) -> Cluster:
        """Write the configuration, with a new key at the first start, and load it."""
        text = _CLUSTER.format(node=NODE, rate_hz=float(rate_hz), **vars(ports), **vars(scale))
        render({FILE_NAME: text, "node": f"{NODE}\n"}, self.config, mode=0o644)
        if not (self.config / secrets.FILE_NAME).exists():
            secrets.make_key(self.config / secrets.FILE_NAME)
        return load(self.config / FILE_NAME)

    def write_endpoints(self, endpoints: dict[str, Any]) -> None:
        """Write endpoints.json. Only this user can read it, because it contains a password."""
        write(self.endpoints, json.dumps(endpoints, indent=2) + "\n", mode=0o600)

    def read_endpoints(self) -> dict[str, Any]:
        """The endpoints that another process wrote. Raises UserError when the file does not exist."""
        try:
            endpoints: dict[str, Any] = json.loads(self.endpoints.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            raise UserError(f"another `make run` is starting or stopping in {self.path}: try again later") from None
        return endpoints

    def remove_endpoints(self) -> None:
        """Delete endpoints.json."""
        self.endpoints.unlink(missing_ok=True)


def _owner_lives(lock: IO[str]) -> bool:
    lock.seek(0)
    try:
        os.kill(int(lock.read()), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass  # another user's
    return True
