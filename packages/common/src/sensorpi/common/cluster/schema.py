"""The keys of the cluster file, each with its type, default and check, and the message for a mistake."""

import json
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

import voluptuous as vol

from sensorpi.common.cluster import validators
from sensorpi.common.cluster.validators import Check
from sensorpi.common.reading import DEFAULT_HOST

ROLES = ("sensor", "mesos-worker", "mesos-master", "influx-grafana")

#: Memory that the job needs besides its JVM's heap: it used 496 MB with a heap of 192 MB.
JOB_OVERHEAD_MB = 320
#: Memory of Spark's standalone master or worker, which used 145 MB.
SPARK_DAEMON_MB = 150
#: Memory that an executor needs besides its heap, for the rest of its JVM and one Python process.
EXECUTOR_OVERHEAD_MB = 240
#: Memory of the Python process of each further core.
_PYTHON_MB = 80
#: InfluxDB refuses more than 100,000 names of sensors or of hosts. The cluster's nodes must always fit.
MOST_SENSORS = 90_000
#: How many consecutive ports Spark uses unless it is in local mode; `spark.py` names them.
SPARK_PORTS = 6
#: Keys of the table [card], which only a card's sensorpi.toml can have; `card/values.py` checks them.
CARD_KEYS = ("user", "ssh_key", "wifi", "wifi_password", "country", "timezone")
#: A value with a name like this may be a password in the wrong place: messages do not repeat it.
_SECRET = re.compile("wifi.|pass|pw|psk|key|secret", re.IGNORECASE)


def _key(check: Check, default: object = MISSING) -> Any:
    return field(metadata={"check": check}, default=default)


@dataclass(frozen=True)
class NodeSettings:
    """One machine: where others reach it, and what it does.

    ``attributes``, ``cpus`` and ``memory_mb`` are what a worker offers to Mesos. They are not measured, because an
    agent does not start again with less than before. The rest of a Pi's 1 GB is for the system, the agent and
    ZooKeeper.
    """

    address: str = _key(validators.address)
    roles: tuple[str, ...] = _key(validators.roles(ROLES))
    attributes: Mapping[str, str] = field(
        metadata={"check": validators.attributes}, default_factory=dict[str, str], hash=False
    )
    cpus: float = _key(validators.number(0.1, 1024, "processors"), 4.0)
    memory_mb: int = _key(validators.whole(192, 16_777_216), 832)


@dataclass(frozen=True)
class KafkaSettings:
    """The brokers and the topic of the readings. The retention of a partition ends at the limit it reaches first."""

    port: int = _key(validators.port, 7000)
    controller_port: int = _key(validators.port, 7001)
    heap_mb: int = _key(validators.whole(48, 65536), 128)
    memory_mb: int = _key(validators.whole(192, 131072), 320)
    partitions: int = _key(validators.whole(1, 1000), 3)
    retention_hours: int = _key(validators.whole(1, 87600), 720)
    retention_mb: int = _key(validators.whole(64, 16_777_216), 1024)
    dead_letter_retention_mb: int = _key(validators.whole(64, 16_777_216), 1024)


@dataclass(frozen=True)
class SparkSettings:
    """The job from Kafka to InfluxDB. ``max_sensors`` is the number of combinations of sensor and host."""

    master: str = _key(validators.spark_master, "local")
    trigger_ms: int = _key(validators.whole(0, 3_600_000), 1000)
    heap_mb: int = _key(validators.whole(96, 65536), 192)
    max_offsets_per_trigger: int = _key(validators.whole(1, 100_000_000), 200_000)
    checkpoint: str = _key(validators.choice("local", "nfs"), "local")
    default_host: str = _key(validators.address, DEFAULT_HOST)
    max_sensors: int = _key(validators.whole(1, MOST_SENSORS), 20_000)
    executor_heap_mb: int = _key(validators.whole(96, 65536), 192)
    worker_cores: int = _key(validators.whole(1, 1024), 1)
    first_port: int = _key(validators.whole(1024, 65536 - SPARK_PORTS, "a TCP port"), 7078)
    mesos_native_library: str = _key(validators.path_or_empty, "")

    @property
    def memory_mb(self) -> int:
        """Memory of the whole job in local mode."""
        return self.heap_mb + JOB_OVERHEAD_MB

    @property
    def worker_memory_mb(self) -> int:
        """Memory of a worker of Spark's standalone cluster, with the job's executor."""
        return SPARK_DAEMON_MB + self.executor_heap_mb + EXECUTOR_OVERHEAD_MB + _PYTHON_MB * (self.worker_cores - 1)


@dataclass(frozen=True)
class InfluxdbSettings:
    """The database. ``raw_retention_days`` 0 keeps the readings forever."""

    port: int = _key(validators.port, 8086)
    backup_port: int = _key(validators.port, 8088)
    raw_retention_days: int = _key(validators.whole(0, 36500), 30)


@dataclass(frozen=True)
class SensorSettings:
    """How often a sensor is read, and by how much its clock may differ from the brokers'."""

    rate_hz: float = _key(validators.number(0.001, 1000, "readings per second"), 1.0)
    clock_tolerance_s: float = _key(validators.number(1, 86_400, "seconds"), 60.0)


@dataclass(frozen=True)
class DashboardSettings:
    """The built-in dashboard. ``access`` says whether a browser has to send a password."""

    port: int = _key(validators.port, 8080)
    access: str = _key(validators.choice("open", "password"), "open")


@dataclass(frozen=True)
class MesosSettings:
    """The Mesos engine. ZooKeeper runs on the first workers, the scheduler on the mesos-master nodes.

    ``job_agent_timeout_s`` is how long, after the leading master has changed, the job waits for its agent.
    """

    zookeeper_port: int = _key(validators.port, 2181)
    zookeeper_peer_port: int = _key(validators.port, 2888)
    zookeeper_election_port: int = _key(validators.port, 3888)
    master_port: int = _key(validators.port, 5050)
    agent_port: int = _key(validators.port, 5051)
    api_port: int = _key(validators.port, 7090)
    job_agent_timeout_s: int = _key(validators.whole(10, 3600), 60)


def _section(settings: type) -> Check:
    """A check for a table of exactly this dataclass's keys, which becomes an instance of it."""
    keys = {
        (vol.Required if _is_required(key) else vol.Optional)(key.name): key.metadata["check"]
        for key in fields(settings)
    }
    return vol.All(_known_keys([key.name for key in fields(settings)]), keys, lambda values: settings(**values))


def _is_required(key: "Field[Any]") -> bool:
    return key.default is MISSING and key.default_factory is MISSING


def _known_keys(names: Sequence[str]) -> Callable[[object], object]:
    def check(table: object) -> object:
        if not isinstance(table, dict):
            raise vol.Invalid("expected a table")
        for name in table:
            if name in CARD_KEYS:
                raise vol.Invalid("expected in the table [card] of a card's sensorpi.toml, not here", path=[name])
            if name not in names:
                raise vol.Invalid(f"unknown key; {validators.nearest(name, names)}", path=[name])
        return table

    return check


def _nodes(table: object) -> object:
    if not isinstance(table, dict) or not table:
        raise vol.Invalid("expected at least one table [nodes.NAME]")
    for name in table:  # checked here, because voluptuous 0.12 would hide what is wrong with a key
        try:
            validators.node_name(name)
        except vol.Invalid as mistake:
            mistake.prepend([name])
            raise
    return table


_TABLES: dict[str, Check] = {
    "kafka": _section(KafkaSettings),
    "spark": _section(SparkSettings),
    "influxdb": _section(InfluxdbSettings),
    "sensor": _section(SensorSettings),
    "dashboard": _section(DashboardSettings),
    "mesos": _section(MesosSettings),
}

_SCHEMA = vol.Schema(
    vol.All(
        _known_keys(["engine", "nodes", *_TABLES]),
        {
            vol.Optional("engine", default="standalone"): validators.choice("standalone", "mesos"),
            vol.Required("nodes"): vol.All(_nodes, {str: _section(NodeSettings)}),
            **{vol.Optional(name, default=dict): check for name, check in _TABLES.items()},
        },
    )
)


def validate(data: dict[str, Any]) -> dict[str, Any]:
    """Turn parsed TOML into ``engine``, a dict of ``NodeSettings`` by name, and one settings object per table.

    Raises ``voluptuous.Invalid`` with the first mistake and its path.
    """
    try:
        validated: dict[str, Any] = _SCHEMA(data)
    except vol.MultipleInvalid as mistakes:
        raise mistakes.errors[0] from None
    return validated


def mistake_line(mistake: vol.Invalid, data: dict[str, Any]) -> str:
    """Key, value and what was expected, on one line."""
    key = _dotted(mistake.path)
    if isinstance(mistake, vol.RequiredFieldInvalid):
        return f"{key} is missing"
    value: Any = data
    for step in mistake.path:
        value = value[step]
    if isinstance(value, dict) or _SECRET.search(str(mistake.path[-1])):
        return f"{key}: {mistake.msg}"
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:  # Python does not write a whole number with thousands of digits
        text = "…"
    return f"{key} = {text if len(text) <= 60 else text[:60] + '…'}: {mistake.msg}"


def _dotted(path: Sequence[Hashable]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
