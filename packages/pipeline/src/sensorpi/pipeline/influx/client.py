"""InfluxDB as this project uses it: the names of its database, policies and users, and a client for each user."""

from dataclasses import dataclass, field

import requests
from influxdb import InfluxDBClient
from influxdb.exceptions import InfluxDBClientError, InfluxDBServerError

from sensorpi.common.errors import UserError

DATABASE = "sensordata"
#: Retention policies: of the readings, and of their one-minute means.
RAW, ROLLUP = "raw", "rollup"
#: Measurements: the readings; the job's own figures (their fields are PIPELINE_FIELDS); events, as text; test writes.
READINGS, PIPELINE, EVENTS, WATCH = "sensor", "pipeline", "events", "watch"

#: The figures in measurement ``pipeline``, each a float. ``stored``, ``dead_lettered`` and ``refused`` are counts
#: of one batch, ``lost`` counts messages that Kafka deleted before they were read, ``batch_ms`` is the time that the
#: batch took, ``lag`` the number of Kafka messages that still wait, and ``late_ms`` the age of the newest reading when
#: it was stored.
PIPELINE_FIELDS = ("stored", "dead_lettered", "refused", "lost", "batch_ms", "lag", "late_ms")

#: Settings of every influxd of ours, as INFLUXDB_* variables: passwords, little memory, few writes to the disk.
SERVER_SETTINGS = {
    "HTTP_AUTH_ENABLED": "true",
    "HTTP_PPROF_ENABLED": "false",  # it asks for no password
    "SUBSCRIBER_ENABLED": "false",  # a subscription sends a copy of each point to another server
    "HTTP_LOG_ENABLED": "false",
    "DATA_QUERY_LOG_ENABLED": "false",
    "DATA_CACHE_MAX_MEMORY_SIZE": "128m",
    "DATA_CACHE_SNAPSHOT_MEMORY_SIZE": "8m",
    "CONTINUOUS_QUERIES_ENABLED": "false",  # the job makes the rollup, which includes late readings
    "MONITOR_STORE_ENABLED": "false",  # its _internal database writes every 10 s
    "REPORTING_DISABLED": "true",
    "LOGGING_LEVEL": "warn",
}

#: What a client raises while InfluxDB is unavailable or busy, or when it refuses a request.
INFLUXDB_ERRORS = (InfluxDBClientError, InfluxDBServerError, requests.RequestException)

ADMIN, WRITER, READER = "admin", "writer", "reader"


@dataclass(frozen=True)
class Endpoint:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """The endpoint written as HOST:PORT (``[::1]:8086`` for IPv6). Raises UserError."""
        host, _, port = text.rpartition(":")
        if not host or not (port.isascii() and port.isdigit()) or not 0 <= int(port) <= 65535:
            raise UserError(f"“{text}” is not an address: expected HOST:PORT, such as 127.0.0.1:8086")
        return cls(host, int(port))


@dataclass(frozen=True)
class Credentials:
    """The passwords of the three users. They are not in the repr, so that no log shows them."""

    admin_password: str = field(repr=False)
    writer_password: str = field(repr=False)
    reader_password: str = field(repr=False)


#: Encodings of InfluxDB's answers. JSON cannot express infinity, and the library cannot read chunked MessagePack.
JSON, MESSAGE_PACK = "application/json", "application/x-msgpack"


def open_client(
    endpoint: Endpoint, user: str, password: str, timeout_s: float = 10.0, accept: str = JSON
) -> InfluxDBClient:
    """A client of database ``sensordata`` that sends each request once: its caller decides about retries.

    Proxies in the environment and ``.netrc`` are ignored. Nothing is sent before the first query.
    """
    session = requests.Session()
    session.trust_env = False
    return InfluxDBClient(
        host=endpoint.host,
        port=endpoint.port,
        username=user,
        password=password,
        database=DATABASE,
        timeout=timeout_s,
        retries=1,
        session=session,
        headers={"Accept": accept, "Content-Type": JSON},
    )


def admin_client(endpoint: Endpoint, credentials: Credentials) -> InfluxDBClient:
    """A client that can do everything."""
    return open_client(endpoint, ADMIN, credentials.admin_password)


def writer_client(endpoint: Endpoint, credentials: Credentials) -> InfluxDBClient:
    """A client that can read and write ``sensordata``; the rollup has to read."""
    return open_client(endpoint, WRITER, credentials.writer_password)


def reader_client(endpoint: Endpoint, credentials: Credentials) -> InfluxDBClient:
    """A client that can only read ``sensordata``, as the dashboards do."""
    return open_client(endpoint, READER, credentials.reader_password)


def fault(error: Exception) -> str:
    """One short line for one of ``INFLUXDB_ERRORS``: the libraries' texts contain whole requests and addresses."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, requests.RequestException):
        return type(error).__name__
    text = " ".join(str(getattr(error, "content", None) or error).split())[:500]
    code = getattr(error, "code", None)
    return f"HTTP {code}: {text}" if code else text
