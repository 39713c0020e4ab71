"""InfluxDB as this project uses it: names of database, policies and users, and clients for each user."""

from dataclasses import dataclass, field

import requests
from influxdb import InfluxDBClient
from influxdb.exceptions import InfluxDBClientError, InfluxDBServerError

from sensorpi.common.errors import UserError

DATABASE = "sensordata"
#: Retention policies: what the sensors sent, and its one-minute means.
RAW, ROLLUP = "raw", "rollup"
#: Measurements: the readings; the job's own figures (field names: PIPELINE_FIELDS); what happened, as text.
READINGS, PIPELINE, EVENTS = "sensor", "pipeline", "events"

#: The figures in measurement ``pipeline``, each a float. ``stored``, ``dead_lettered`` and ``refused`` are counts
#: of one batch, ``lost`` the messages that Kafka deleted before they were read, ``batch_ms`` the time it took, ``lag``
#: the Kafka messages that wait behind it, and ``late_ms`` the age of its newest reading when it was stored.
PIPELINE_FIELDS = ("stored", "dead_lettered", "refused", "lost", "batch_ms", "lag", "late_ms")

#: What every influxd of ours is told, as INFLUXDB_* variables: passwords, little memory, few writes to the disk.
SERVER_SETTINGS = {
    "HTTP_AUTH_ENABLED": "true",
    "HTTP_LOG_ENABLED": "false",
    "DATA_QUERY_LOG_ENABLED": "false",
    "DATA_CACHE_MAX_MEMORY_SIZE": "128m",
    "DATA_CACHE_SNAPSHOT_MEMORY_SIZE": "8m",
    "CONTINUOUS_QUERIES_ENABLED": "false",  # the job makes the rollup: late readings are in it
    "MONITOR_STORE_ENABLED": "false",  # its _internal database writes every 10 s
    "REPORTING_DISABLED": "true",
    "LOGGING_LEVEL": "warn",
}

#: What a client raises while InfluxDB is away, busy or refuses, as opposed to a mistake of ours.
AWAY = (InfluxDBClientError, InfluxDBServerError, requests.RequestException)

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
            raise UserError(f"“{text}” is no address: expected HOST:PORT, such as 127.0.0.1:8086")
        return cls(host, int(port))


@dataclass(frozen=True)
class Credentials:
    """The passwords of the three users. They stay out of the repr, and so out of logs."""

    admin_password: str = field(repr=False)
    writer_password: str = field(repr=False)
    reader_password: str = field(repr=False)


#: Encodings of InfluxDB's answers. JSON cannot express infinity, and the library cannot read chunked MessagePack.
JSON, MESSAGE_PACK = "application/json", "application/x-msgpack"


def open_client(
    endpoint: Endpoint, user: str, password: str, timeout_s: float = 10.0, accept: str = JSON
) -> InfluxDBClient:
    """A client of database ``sensordata`` that asks once: waiting and trying again is its caller's business.

    Environment proxies and ``.netrc`` are ignored. Nothing is sent before the first query.
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
    """A client that may do everything."""
    return open_client(endpoint, ADMIN, credentials.admin_password)


def writer_client(endpoint: Endpoint, credentials: Credentials) -> InfluxDBClient:
    """A client that may read and write ``sensordata``: the rollup reads what it condenses."""
    return open_client(endpoint, WRITER, credentials.writer_password)


def reader_client(endpoint: Endpoint, credentials: Credentials) -> InfluxDBClient:
    """A client that may only read ``sensordata``: what stands behind the dashboards."""
    return open_client(endpoint, READER, credentials.reader_password)


def fault(error: Exception) -> str:
    """One short line for one of ``AWAY``: the libraries' own texts hold whole requests and object addresses."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, requests.RequestException):
        return type(error).__name__
    text = " ".join(str(getattr(error, "content", None) or error).split())[:500]
    code = getattr(error, "code", None)
    return f"HTTP {code}: {text}" if code else text
