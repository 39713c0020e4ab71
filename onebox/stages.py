"""The parts of the pipeline, which start and stop in order."""

import logging
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import requests

from onebox.display import say
from onebox.grafana import grafana_process
from onebox.home import NODE, ROOT, Home
from onebox.influxd import influxd_process, watch_process
from onebox.ports import Ports, choose_ports
from onebox.process import PortTaken, Service
from sensorpi.common.cluster import secrets
from sensorpi.common.cluster.model import Cluster
from sensorpi.common.daemon.outage import Outage
from sensorpi.common.errors import UserError
from sensorpi.common.reading import DEAD_LETTER_TOPIC, TOPIC
from sensorpi.mesos_node.kafka.topics import ensure_topics, topic_specs
from sensorpi.pipeline.command import influxdb_credentials, influxdb_endpoint
from sensorpi.pipeline.influx.client import DATABASE, READER, Credentials, Endpoint
from sensorpi.pipeline.influx.setup import set_up

_log = logging.getLogger(__name__)

_COMMAND = str(Path(sys.executable).with_name("sensorpi"))
_JARS = ROOT / ".cache" / "jars"
SPARK_JARS = _JARS / "spark"
#: All runs of this checkout share the archive of Spark's classes.
SPARK_CACHE = ROOT / ".cache" / "spark"
#: As in `sensorpi-spark-job.service`.
WATCHDOG_S = 180.0
#: How often the parts start on other ports, because one was taken after it had been chosen.
_PORT_TRIES = 5
#: Generous, for a slow card, a first start, or other load on the machine.
START_TIMEOUT_S = 120.0


@dataclass
class Stages:
    """Everything except the sensor: what has to be ready before the first reading."""

    home: Home
    ports: Ports
    cluster: Cluster
    #: Every part inherits it, so that the folder stays locked while any of them runs.
    lock: IO[str] | None = None
    #: The time range that the dashboard shows first; None for its default.
    dashboard_range_ms: tuple[int, int] | None = None
    services: list[Service] = field(default_factory=list)
    _endpoints_file: Outage = field(default_factory=lambda: Outage("endpoints.json", _log))
    _next_try_s: float = 0.0

    @property
    def credentials(self) -> Credentials:
        """The passwords of this folder's InfluxDB."""
        return influxdb_credentials(secrets.load_key(self.home.config / secrets.FILE_NAME))

    @property
    def endpoint(self) -> Endpoint:
        """This folder's InfluxDB."""
        return influxdb_endpoint(self.cluster)

    @property
    def dashboard_url(self) -> str:
        """The dashboard's address."""
        return f"http://127.0.0.1:{self.ports.dashboard}/"

    @property
    def inherited_files(self) -> list[int]:
        """The file descriptors that every child inherits."""
        return [] if self.lock is None else [self.lock.fileno()]

    def start_kafka(self) -> Service:
        """Start the broker, which is not ready yet on return."""
        return self._start(
            "kafka",
            [_COMMAND, "kafka", "run", "--node", NODE, "--data", str(self.home.path / "kafka"),
             "--jars", str(_JARS / "kafka")],
        )  # fmt: skip

    def ensure_topics(self) -> None:
        """Create the topics that are missing. Raises UserError when Kafka does not answer."""
        key = secrets.load_key(self.home.config / secrets.FILE_NAME)
        ensure_topics(self.cluster.bootstrap_servers, topic_specs(self.cluster), secrets.kafka_cluster_id(key))

    def start_job(self) -> Service:
        """Start the Spark job, which is not ready yet on return."""
        return self._start(
            "spark",
            [_COMMAND, "pipeline", "job", "--state", str(self.home.path / "spark"), "--jars", str(SPARK_JARS)],
            {"CACHE_DIRECTORY": os.environ.get("CACHE_DIRECTORY") or str(SPARK_CACHE)},
            watchdog_s=WATCHDOG_S,
        )

    def start_influxdb(self) -> Service:
        """Start InfluxDB and set it up."""
        influxdb_data = self.home.path / "influxdb"
        argv, environment = influxd_process(influxdb_data, self.ports.influxdb, self.ports.backup)
        influxdb = self._start("influxdb", argv, environment)
        influxdb.wait_until_ready(START_TIMEOUT_S, self.influxdb_answers)
        set_up(self.endpoint, self.credentials, self.cluster.influxdb.raw_retention_days)
        self._start("influxdb-watch", *watch_process(self.endpoint, influxdb_data, self.credentials))
        return influxdb

    def influxdb_answers(self) -> bool:
        """Whether InfluxDB answers requests."""
        return answers(f"http://{self.endpoint}/ping")

    def start(self) -> None:
        """Start all parts, each as soon as what it needs is ready; return when all are ready.

        Raises UserError when one does not start.
        """
        say("Starting Kafka, InfluxDB and Spark …")
        kafka = self.start_kafka()
        self.start_influxdb()
        say("  InfluxDB is ready")
        job = self.start_job()
        dashboard = self._start(
            "dashboard",
            [_COMMAND, "pipeline", "dashboard", "--listen", f"127.0.0.1:{self.ports.dashboard}",
             "--influxdb", str(self.endpoint), "--dashboards", str(ROOT / "grafana" / "dashboards"),
             *self._dashboard_range()],
            {"SENSORPI_READER_PASSWORD": self.credentials.reader_password},
        )  # fmt: skip
        grafana = self._start_grafana()
        kafka.wait_until_ready(START_TIMEOUT_S)
        self.ensure_topics()
        say("  Kafka is ready")
        job.wait_until_ready(START_TIMEOUT_S)
        say("  Spark is ready")
        dashboard.wait_until_ready(START_TIMEOUT_S, lambda: answers(self.dashboard_url + "healthz"))
        if grafana is not None:
            grafana.wait_until_ready(START_TIMEOUT_S, lambda: answers(f"{self._grafana_url}/api/health"))
        self._write_endpoints()

    def watch(self) -> None:
        """Restart the parts that ended by themselves."""
        started = [service for service in self.services if service.watch()]
        if started or (self._endpoints_file.down and time.monotonic() >= self._next_try_s):
            try:
                self._write_endpoints()  # other pids
            except UserError as error:  # a full disk does not end the run
                self._next_try_s = time.monotonic() + self._endpoints_file.failed(error)
            else:
                self._endpoints_file.succeeded()

    def stop(self) -> None:
        """Stop all parts in the order of the data flow, so that none loses its output."""
        self.home.remove_endpoints()
        stopped_last = {"kafka": 1, "influxdb": 2}
        for service in sorted(self.services, key=lambda service: stopped_last.get(service.name, 0)):
            service.close()
        self.services = []

    def _start(
        self, name: str, argv: list[str], environment: dict[str, str] | None = None, watchdog_s: float | None = None
    ) -> Service:
        inherited = os.environ | {"SENSORPI_CONFIG": str(self.home.config), "PYTHONUNBUFFERED": "1"}
        log = self.home.logs / f"{name}.log"
        service = Service(name, argv, log, inherited | (environment or {}), self.inherited_files, watchdog_s)
        self.services.append(service)
        service.start()
        return service

    def _dashboard_range(self) -> list[str]:
        if self.dashboard_range_ms is None:
            return []
        first_ms, last_ms = self.dashboard_range_ms
        return ["--from", str(first_ms), "--to", str(last_ms)]

    @property
    def _grafana_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.grafana}"

    def _start_grafana(self) -> Service | None:
        if shutil.which("grafana-server") is None and shutil.which("grafana") is None:
            return None
        argv, environment = grafana_process(
            self.home.path / "grafana", self.ports.grafana, f"http://{self.endpoint}",
            self.credentials.reader_password,
            secrets.password(secrets.load_key(self.home.config / secrets.FILE_NAME), secrets.GRAFANA_ADMIN),
        )  # fmt: skip
        return self._start("grafana", argv, environment)

    def _write_endpoints(self) -> None:
        endpoints: dict[str, Any] = {
            "kafka": {
                "bootstrap_servers": self.cluster.bootstrap_servers,
                "topic": TOPIC,
                "dead_letter_topic": DEAD_LETTER_TOPIC,
            },
            "influxdb": {
                "url": f"http://{self.endpoint}",
                "database": DATABASE,
                "username": READER,
                "password": self.credentials.reader_password,
            },
            "dashboard": {"url": self.dashboard_url},
            "pids": {service.name: service.pid for service in self.services},
        }
        if "grafana" in endpoints["pids"]:
            endpoints["grafana"] = {"url": self._grafana_url}
        self.home.write_endpoints(endpoints)


def started(
    home: Home,
    rate_hz: float,
    lock: IO[str],
    start: Callable[[Stages], object] = Stages.start,
    dashboard_range_ms: tuple[int, int] | None = None,
) -> Stages:
    """The stages after ``start``, on free ports. If one is taken meanwhile, they start again on others.

    Raises UserError when a part does not start; then all are stopped.
    """
    avoid: set[int] = set()
    for attempt in range(_PORT_TRIES):
        ports = choose_ports(avoid=avoid)
        stages = Stages(home, ports, home.configure(ports, rate_hz), lock, dashboard_range_ms)
        try:
            start(stages)
        except BaseException as error:
            if not isinstance(error, PortTaken) or attempt == _PORT_TRIES - 1:
                say("Stopping …")
                stages.stop()
                raise
            say(f"  {error}; starting again on other ports")
            stages.stop()
            avoid |= ports.of(error.service)
        else:
            return stages
    raise AssertionError("unreachable")


def answers(url: str) -> bool:
    """Whether a GET request to this address succeeds within a second."""
    session = requests.Session()
    session.trust_env = False  # no proxy for loopback
    try:
        return session.get(url, timeout=1).ok
    except requests.RequestException:
        return False
    finally:
        session.close()


def check_set_up() -> None:
    """Raise UserError when the jars of the third-party parts are missing."""
    for part in ("kafka", "spark"):
        if not any((_JARS / part).glob("*.jar")):
            raise UserError(f"{_JARS / part} has no jars: start this with `make run`, which fetches them")
