"""Kafka and InfluxDB, started as `make run` starts them, and reset so that each reader does the same work."""

import http.client
import json
import shutil
import time
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from bench.stored import stored, written_points
from onebox.home import Home, Scale
from onebox.ports import choose_ports
from onebox.process import Service
from onebox.stages import SPARK_CACHE, SPARK_JARS, START_TIMEOUT_S, Stages
from sensorpi.common.errors import UserError
from sensorpi.common.reading import TOPIC
from sensorpi.pipeline.influx.client import INFLUXDB_ERRORS, READER, fault, open_client
from sensorpi.pipeline.job.spark_session import class_archive

_ANSWER_S = 30.0
#: The job's first minute, and what the archive takes at the lowest priority.
_ARCHIVE_S = 300.0
#: For a count of all points.
_COUNT_S = 300.0


class Stack:
    """The parts that the readers are between."""

    def __init__(self, folder: Path) -> None:
        """Everything is in ``folder``, where an earlier run's data is removed. Raises UserError when it is in use."""
        self.home = Home(folder)
        self._lock = self.home.lock()
        if self._lock is None:
            raise UserError(f"{folder} is in use: another `make bench` is running; wait for its end")
        self.remove_data()
        self._ports = choose_ports()
        self.stages = Stages(self.home, self._ports, self.home.configure(self._ports, 1.0), self._lock)
        self._influxdb: Service | None = None
        self._counters: http.client.HTTPConnection | None = None

    @property
    def bootstrap_servers(self) -> str:
        """The broker's address."""
        return self.stages.cluster.bootstrap_servers

    @property
    def influxdb_url(self) -> str:
        """InfluxDB's address."""
        return f"http://{self.stages.endpoint}"

    def start(self) -> None:
        """Start Kafka and InfluxDB. Raises UserError when one does not start."""
        kafka = self.stages.start_kafka()
        self._influxdb = self.stages.start_influxdb()
        kafka.wait_until_ready(START_TIMEOUT_S)

    def stop(self) -> None:
        """Stop everything. The logs stay."""
        self._close_counters()
        self.stages.stop()
        if self._lock is not None:
            self._lock.close()

    def remove_data(self) -> None:
        """Remove what the parts store, while none of them runs."""
        for part in ("kafka", "influxdb", "spark"):
            shutil.rmtree(self.home.path / part, ignore_errors=True)

    def pids(self) -> dict[str, int]:
        """The pids of the running parts, by name."""
        return {service.name: service.pid for service in self.stages.services if service.pid is not None}

    def set_scale(self, scale: Scale) -> None:
        """Write the configuration for the next start of the job, and replace the topic by an empty one."""
        self.stages.cluster = self.home.configure(self._ports, 1.0, scale)
        admin = self._admin()
        if TOPIC in admin.list_topics(timeout=_ANSWER_S).topics:
            admin.delete_topics([TOPIC])[TOPIC].result(_ANSWER_S)
        deadline = time.monotonic() + _ANSWER_S
        while TOPIC in admin.list_topics(timeout=_ANSWER_S).topics:
            if time.monotonic() > deadline:
                raise UserError(f"Kafka did not delete topic {TOPIC} within {_ANSWER_S:.0f} s")
            time.sleep(0.1)
        self.stages.ensure_topics()

    def archive_classes(self) -> None:
        """Have the job archive Spark's classes, as it does a minute after its first start, unless there is an archive.

        Raises UserError when it does not.
        """
        archive = class_archive(SPARK_CACHE, SPARK_JARS)
        if archive.file.exists():
            return
        job = self.stages.start_job()
        try:
            job.wait_until_ready(START_TIMEOUT_S)
            deadline = time.monotonic() + _ARCHIVE_S
            while not archive.file.exists():
                if time.monotonic() > deadline:
                    raise UserError(f"the job did not archive its classes within {_ARCHIVE_S:.0f} s")
                time.sleep(0.5)
        finally:
            self.remove(job)

    def reset(self) -> None:
        """Forget what a reader did: consumer groups, the job's checkpoint and state, and all that InfluxDB has stored.

        InfluxDB starts again, so that no reader pays for what another one left behind.
        """
        self._delete_groups()
        shutil.rmtree(self.home.path / "spark", ignore_errors=True)
        self._close_counters()
        if self._influxdb is not None:
            self.remove(self._influxdb)
        shutil.rmtree(self.home.path / "influxdb", ignore_errors=True)
        self._influxdb = self.stages.start_influxdb()

    def remove(self, service: Service) -> None:
        """Stop one part for good."""
        service.close()
        self.stages.services = [each for each in self.stages.services if each is not service]

    def add(self, service: Service) -> Service:
        """Start a part that `make run` does not have, and stop it with the others."""
        self.stages.services.append(service)
        service.start()
        return service

    def written_points(self) -> int:
        """How many points InfluxDB has accepted for the readings' policy since it started. Raises UserError.

        Its counters are cheap to read. The job's figures, a point for each batch, are included.
        """
        if self._counters is None:
            endpoint = self.stages.endpoint
            self._counters = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=_ANSWER_S)
        try:
            self._counters.request("GET", "/debug/vars")
            return written_points(json.loads(self._counters.getresponse().read()))
        except (OSError, http.client.HTTPException) as error:
            raise UserError(f"InfluxDB does not answer: {error}; see {self.home.logs}") from error

    def stored(self) -> dict[str, int]:
        """As `stored.stored`, which takes seconds. Raises UserError."""
        client = open_client(self.stages.endpoint, READER, self.stages.credentials.reader_password, _COUNT_S)
        try:
            return stored(client)
        except INFLUXDB_ERRORS as error:
            raise UserError(f"InfluxDB does not count its points: {fault(error)}; see {self.home.logs}") from error
        finally:
            client.close()

    def _delete_groups(self) -> None:
        admin = self._admin()
        groups = [group.group_id for group in admin.list_consumer_groups().result(_ANSWER_S).valid]
        deadline = time.monotonic() + _ANSWER_S
        for group in groups:
            while True:
                try:
                    admin.delete_consumer_groups([group])[group].result(_ANSWER_S)
                except KafkaException as error:  # a member that has just left may still be counted
                    if time.monotonic() > deadline:
                        raise UserError(f"Kafka did not delete consumer group {group}: {error}") from error
                    time.sleep(0.2)
                else:
                    break

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 2})

    def _close_counters(self) -> None:
        if self._counters is not None:
            self._counters.close()
            self._counters = None
