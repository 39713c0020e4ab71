"""The parts under test, each in its own network namespace and on its own disk: sensors, Kafka, Spark job, InfluxDB."""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from bench.processes import everyone, family
from onebox.display import say
from onebox.home import ROOT
from onebox.influxd import influxd_process, watch_process
from onebox.process import Service
from onebox.stages import SPARK_CACHE, SPARK_JARS, START_TIMEOUT_S, WATCHDOG_S, answers
from sensorpi.common.cluster import secrets
from sensorpi.common.cluster.model import FILE_NAME, Cluster, load
from sensorpi.common.errors import UserError
from sensorpi.common.files import render, write
from sensorpi.common.reading import DEFAULT_SENSOR
from sensorpi.mesos_node.kafka.topics import ensure_topics, topic_specs
from sensorpi.pipeline.command import influxdb_credentials, influxdb_endpoint
from sensorpi.pipeline.influx.client import Credentials, Endpoint
from sensorpi.pipeline.influx.setup import set_up
from tests.chaos.disks import Disk
from tests.chaos.network import Network
from tests.chaos.schedule import PARTS, SENSORS

#: As in the shipped cluster file.
ADDRESSES = {
    "kafka": "10.0.0.21",
    "spark": "10.0.0.12",
    "influxdb": "10.0.0.11",
    **{sensor: f"10.0.0.{98 + number}" for number, sensor in enumerate(SENSORS, start=1)},
}
_ROLES = {"kafka": "mesos-worker", "spark": "mesos-master", "influxdb": "influx-grafana"}
_DISK_MB = {"kafka": 512, "spark": 160, "influxdb": 256}
_SENSOR_DISK_MB = 8
#: Readings per second of each sensor.
RATE_HZ = 5.0

_SETTINGS = """
[sensor]
rate_hz = {rate_hz}
[kafka]
heap_mb = 256
memory_mb = 512
partitions = 3
[spark]
master = "local[1]"
trigger_ms = 200
heap_mb = 512
[influxdb]
raw_retention_days = 0
"""
#: Restarts InfluxDB, and is itself not harmed.
_WATCH = "influxdb-watch"
_COMMAND = str(Path(sys.executable).with_name("sensorpi"))


class Parts:
    """All of them; start, watch and stop them from the main thread only."""

    def __init__(self, home: Path) -> None:
        """Make networks, disks and configuration below ``home``. Raises UserError."""
        self.home = home
        self._libfaketime = libfaketime()
        self.network = Network(home / "network", ADDRESSES)
        self.disks = {part: Disk(home / "disks" / part, _DISK_MB.get(part, _SENSOR_DISK_MB)) for part in PARTS}
        self.cluster = self._configure()
        self.services: dict[str, Service] = {}
        self._stopped: set[str] = set()
        self._sockets = tempfile.TemporaryDirectory(prefix="chaos-")
        for sensor in SENSORS:
            self.set_clock(sensor, "+0")

    def _configure(self) -> Cluster:
        nodes = [
            f'[nodes.{part}]\naddress = "{ADDRESSES[part]}"\nroles = ["{_ROLES.get(part, "sensor")}"]\n'
            for part in PARTS
        ]
        text = "".join(nodes) + _SETTINGS.format(rate_hz=RATE_HZ)
        key = self.home / secrets.FILE_NAME
        secrets.make_key(key)
        for part in PARTS:
            render({FILE_NAME: text, "node": f"{part}\n", secrets.FILE_NAME: key.read_bytes()}, self._config(part))
        return load(self._config("kafka") / FILE_NAME)

    def _config(self, part: str) -> Path:
        return self.home / "etc" / part

    @property
    def _key(self) -> bytes:
        return secrets.load_key(self.home / secrets.FILE_NAME)

    @property
    def endpoint(self) -> Endpoint:
        """InfluxDB."""
        return influxdb_endpoint(self.cluster)

    @property
    def credentials(self) -> Credentials:
        """InfluxDB's passwords."""
        return influxdb_credentials(self._key)

    def events(self, sensor: str) -> Path:
        """Where the sensor writes what it takes: not on its own disk, which may be full."""
        return self.home / "events" / f"{sensor}.jsonl"

    def log(self, part: str) -> Path:
        """The part's log."""
        return self.home / "logs" / f"{part}.log"

    def runtime(self, sensor: str) -> Path:
        """The sensor's folder for what is lost when its machine loses power."""
        return self.home / "runtime" / sensor

    def start(self) -> None:
        """Start all, and return when readings can flow. Raises UserError."""
        kafka = self._start(
            "kafka", [_COMMAND, "kafka", "run", "--node", "kafka", "--data", str(self.disks["kafka"].folder),
                      "--jars", str(ROOT / ".cache" / "jars" / "kafka")],
        )  # fmt: skip
        self._start_influxdb()
        say("  InfluxDB is ready")
        job = self._start(
            "spark",
            [_COMMAND, "pipeline", "job", "--state", str(self.disks["spark"].folder), "--jars", str(SPARK_JARS)],
            {"CACHE_DIRECTORY": str(SPARK_CACHE)},
            watchdog_s=WATCHDOG_S,
        )
        kafka.wait_until_ready(START_TIMEOUT_S)
        ensure_topics(self.cluster.bootstrap_servers, topic_specs(self.cluster), secrets.kafka_cluster_id(self._key))
        say("  Kafka is ready")
        job.wait_until_ready(START_TIMEOUT_S)
        say("  Spark is ready")
        for sensor in SENSORS:
            self._start_sensor(sensor)
        for sensor in SENSORS:
            self.services[sensor].wait_until_ready(START_TIMEOUT_S)

    def _start_influxdb(self) -> None:
        argv, environment = influxd_process(
            self.disks["influxdb"].folder, self.cluster.influxdb.port, self.cluster.influxdb.backup_port
        )
        environment["INFLUXDB_HTTP_BIND_ADDRESS"] = str(self.endpoint)
        self._start("influxdb", argv, environment).wait_until_ready(START_TIMEOUT_S, self.influxdb_answers)
        set_up(self.endpoint, self.credentials, self.cluster.influxdb.raw_retention_days)
        argv, passwords = watch_process(self.endpoint, self.disks["influxdb"].folder, self.credentials)
        self._start(_WATCH, argv, passwords, of="influxdb")

    def influxdb_answers(self) -> bool:
        """Whether InfluxDB answers requests."""
        return answers(f"http://{self.endpoint}/ping")

    def _start_sensor(self, sensor: str) -> None:
        self.events(sensor).parent.mkdir(parents=True, exist_ok=True)
        self.runtime(sensor).mkdir(parents=True, exist_ok=True)
        clock = {
            "LD_PRELOAD": str(self._libfaketime),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock_file(sensor)),
            "FAKETIME_CACHE_DURATION": "1",  # seconds; to read the file at each call takes more than the sensor itself
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        number = SENSORS.index(sensor) + 1
        self._start(
            sensor,
            ["env", *(f"{name}={value}" for name, value in clock.items()),
             sys.executable, "-m", "tests.chaos.sensor_program", str(self.board_file(sensor)),
             "sensor", "run", "--board", "emulated", "--sensor", DEFAULT_SENSOR, "--host", sensor,
             "--seed", str(number), "--state-directory", str(self.disks[sensor].folder),
             "--events", str(self.events(sensor))],
            {"RUNTIME_DIRECTORY": str(self.runtime(sensor)), "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    def board_file(self, sensor: str) -> Path:
        """The file that steers the faults of the sensor's emulated board."""
        return self.home / "boards" / f"{sensor}.json"

    def _clock_file(self, sensor: str) -> Path:
        return self.home / "clocks" / sensor

    def set_clock(self, sensor: str, offset: str) -> None:
        """Set how far the sensor's clock is from the true time, as libfaketime has it: ``+0``, ``+2h``, ``-1d``."""
        write(self._clock_file(sensor), f"{offset}\n")

    def _start(
        self,
        part: str,
        argv: list[str],
        environment: Mapping[str, str] | None = None,
        watchdog_s: float | None = None,
        of: str | None = None,
    ) -> Service:
        """``of`` is the part on whose machine it runs, if it is not one itself."""
        machine = of or part
        inherited = os.environ | {"SENSORPI_CONFIG": str(self._config(machine)), "PYTHONUNBUFFERED": "1"}
        service = Service(
            part,
            [*self.network.inside(machine), *argv],
            self.log(part),
            inherited | dict(environment or {}),
            watchdog_s=watchdog_s,
            notify_socket=Path(self._sockets.name, part),
        )
        self.services[part] = service
        service.start()
        return service

    def watch(self) -> list[str]:
        """Restart what ended by itself; return the parts that were restarted now."""
        return [part for part, service in self.services.items() if part not in self._stopped and service.watch()]

    @property
    def are_ready(self) -> bool:
        """Whether Kafka and the job are ready. InfluxDB does not tell it."""
        return all(self.services[part].ready for part in ("kafka", "spark"))

    def pids(self, part: str) -> dict[int, str]:
        """The part's processes, the first one and what it started: pid -> name."""
        pid = self.services[part].pid
        return {} if pid is None else {each.pid: each.name for each in family(pid, everyone())}

    def signal(self, part: str, number: signal.Signals) -> list[int]:
        """Send a signal to all of the part's processes; the pids."""
        return _send(self.pids(part), number)

    def kill(self, part: str, name: str | None = None) -> list[int]:
        """Kill all of the part's processes, or what it started with that name, and wait for their end; the pids."""
        first = self.services[part].pid
        pids = [pid for pid, own in self.pids(part).items() if name is None or (own.startswith(name) and pid != first)]
        _send(pids, signal.SIGKILL)
        while any(_runs(pid) for pid in pids):
            time.sleep(0.01)
        return pids

    def stop_sensors(self, sensors: Iterable[str], grace_s: float) -> dict[str, int | None]:
        """Ask sensors to stop, and return each one's exit status, None for one that did not stop in time."""
        services = {sensor: self.services[sensor] for sensor in sensors}
        self._stopped |= services.keys()
        for service in services.values():
            service.terminate()
        deadline = time.monotonic() + grace_s
        while any(service.pid for service in services.values()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return {sensor: service.exit_status for sensor, service in services.items()}

    def start_sensors(self, sensors: Iterable[str]) -> None:
        """Start sensors that were stopped."""
        for sensor in sensors:
            self._stopped.discard(sensor)
            self.services[sensor].start()

    def stop(self) -> None:
        """Stop everything, in the order of the data flow."""
        for part in (*SENSORS, "spark", "kafka", _WATCH, "influxdb"):
            if part in self.services:
                self.services.pop(part).close()
        self._sockets.cleanup()


def libfaketime() -> Path:
    """The library of Debian's package faketime. Raises UserError when it is not installed."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise UserError("libfaketimeMT.so.1 is missing: start this with `make chaos`, which installs it")
    return found[0]


def _send(pids: Iterable[int], number: signal.Signals) -> list[int]:
    for pid in (pids := list(pids)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    return pids


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
