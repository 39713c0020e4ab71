"""What a workload's task needs: from cluster.toml, with what commands have set on top."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from sensorpi.common.cluster.model import Cluster
from sensorpi.common.cluster.schema import SPARK_DAEMON_MB
from sensorpi.common.cluster.spark import spark_master, spark_master_url, spark_ports
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.notation.constraints import parse_constraints
from sensorpi.mesos_node.notation.expressions import port_range
from sensorpi.mesos_node.notation.expressions import settings as parse_settings
from sensorpi.mesos_node.scheduler.core.model import SPARK_MASTER, SPARK_WORKER, State, Workload
from sensorpi.mesos_node.scheduler.core.offers import PortRange

#: Without a quota this is a share, not a limit.
DEFAULT_CPUS = 0.5

#: Spark's master computes nothing.
_SPARK_MASTER_CPUS = 0.1

#: The delay before a retry doubles with each failure in a row, up to the maximum.
FAILOVER_DELAY_S = 10.0
FAILOVER_MAX_DELAY_S = 60.0

#: Voters that restart too far apart may never form a quorum: their delay is bounded, and retries are not limited.
VOTER_DELAY_S = 5.0
VOTER_MAX_DELAY_S = 15.0

STICKINESS_PERIOD_S = 600.0

_ANY_PORT: tuple[PortRange, ...] = ((1024, 65535),)


@dataclass(frozen=True)
class Needs:
    """What one workload's task needs. ``home`` is the host that cluster.toml assigns to it, if any."""

    cpus: float
    mem_mb: float
    heap_mb: int
    ports: tuple[int, ...] = ()
    port_ranges: tuple[PortRange, ...] = ()  # and one port out of these
    home: str | None = None
    is_voter: bool = False
    constraints: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    jvm_options: str = ""
    stickiness_period_s: float = STICKINESS_PERIOD_S
    failover_delay_s: float = FAILOVER_DELAY_S
    failover_max_delay_s: float = FAILOVER_MAX_DELAY_S
    failover_max_tries: int | None = None

    def delay_s(self, failures: int) -> float:
        """How long to wait after that many failures in a row."""
        return min(self.failover_delay_s * 2.0 ** min(failures - 1, 30), self.failover_max_delay_s)

    @property
    def fingerprint(self) -> str:
        """Text that differs when a running task would have to be restarted to get what it needs now."""
        what = (self.cpus, self.mem_mb, self.heap_mb, self.ports, self.port_ranges, self.options, self.jvm_options)
        return repr(what)


@dataclass(frozen=True)
class NeedsTable:
    """What the workloads need at one moment, by name; ``unreadable`` has the reason where settings cannot be read."""

    by_name: Mapping[str, Needs]
    unreadable: Mapping[str, str]


def needs_table(state: State, cluster: Cluster) -> NeedsTable:
    """What all workloads of the state need in this cluster."""
    by_name, unreadable = {}, {}
    for workload in state.workloads.values():
        try:
            by_name[workload.name] = needs_of(workload, cluster)
        except UserError as error:
            unreadable[workload.name] = str(error)
    return NeedsTable(MappingProxyType(by_name), MappingProxyType(unreadable))


def needs_of(workload: Workload, cluster: Cluster) -> Needs:
    """What this workload needs in this cluster. Raises ``UserError`` when its settings cannot be read."""
    if workload.broker_id is not None:
        return _broker(workload, workload.broker_id, cluster)
    if not workload.is_spark_daemon:
        return _job(workload, cluster)
    daemons = spark_daemons(cluster)
    if workload.name not in daemons:
        raise UserError(f"cluster.toml does not ask for {workload.name}")
    return daemons[workload.name]


def spark_daemons(cluster: Cluster) -> dict[str, Needs]:
    """The master and the workers of Spark's standalone cluster by name; empty where the job does not run on one.

    The last port of each is that of its web page on loopback, where Mesos checks its health.
    """
    found = spark_master(cluster)
    if found is None:
        return {}
    spark, ports = cluster.spark, spark_ports(cluster.spark)
    home, port = found
    options = {"spark.master": str(spark_master_url(cluster))}
    needs = {
        SPARK_MASTER: Needs(
            _SPARK_MASTER_CPUS, SPARK_DAEMON_MB, 0, ports=(port, ports.master_page), home=home.name, options=options
        )
    }
    for number, worker in enumerate(cluster.workers):
        needs[f"{SPARK_WORKER}{number}"] = Needs(
            cpus=spark.worker_cores,
            mem_mb=spark.worker_memory_mb,
            heap_mb=spark.executor_heap_mb,
            ports=(ports.worker, ports.executor_blocks, ports.worker_page),
            home=worker.name,
            options=options,
        )
    return needs


def _job(workload: Workload, cluster: Cluster) -> Needs:
    spark, given = cluster.spark, workload.settings
    is_local, ports = spark.master.startswith("local"), spark_ports(spark)
    return Needs(
        ports=() if is_local else (ports.driver, ports.driver_blocks),
        options={} if is_local else {"spark.master": spark.master},
        cpus=DEFAULT_CPUS if given.cpus is None else given.cpus,
        mem_mb=spark.memory_mb if given.mem_mb is None else given.mem_mb,
        heap_mb=spark.heap_mb,
    )


def _broker(workload: Workload, broker_id: int, cluster: Cluster) -> Needs:
    kafka, given = cluster.kafka, workload.settings
    is_voter = broker_id < len(cluster.voters)
    home = cluster.workers[broker_id].name if broker_id < len(cluster.workers) else None
    heap_mb = kafka.heap_mb if given.heap_mb is None else given.heap_mb
    default_mem_mb = kafka.memory_mb + max(0, heap_mb - kafka.heap_mb)
    fixed, ranges = _ports(given.port, cluster, is_voter, home)
    delay_s = _first(given.failover_delay_s, VOTER_DELAY_S if is_voter else FAILOVER_DELAY_S)
    max_delay_s = _first(given.failover_max_delay_s, VOTER_MAX_DELAY_S if is_voter else FAILOVER_MAX_DELAY_S)
    return Needs(
        cpus=_first(given.cpus, DEFAULT_CPUS),
        mem_mb=_first(given.mem_mb, default_mem_mb),
        heap_mb=heap_mb,
        ports=fixed,
        port_ranges=ranges,
        home=home,
        is_voter=is_voter,
        constraints=parse_constraints(given.constraints or ""),
        options=parse_settings(given.options or "", "an option"),
        jvm_options=given.jvm_options or "",
        stickiness_period_s=_first(given.stickiness_period_s, STICKINESS_PERIOD_S),
        failover_delay_s=min(delay_s, VOTER_MAX_DELAY_S) if is_voter else delay_s,
        failover_max_delay_s=min(max_delay_s, VOTER_MAX_DELAY_S) if is_voter else max_delay_s,
        failover_max_tries=None if is_voter else given.failover_max_tries,
    )


def _ports(
    setting: str | None, cluster: Cluster, is_voter: bool, home: str | None
) -> tuple[tuple[int, ...], tuple[PortRange, ...]]:
    if is_voter:  # the other nodes take its address from cluster.toml
        return (cluster.kafka.port, cluster.kafka.controller_port), ()
    if setting is not None:
        return (), port_ranges(setting)
    if home is not None:
        return (cluster.kafka.port,), ()
    return (), _ANY_PORT


def port_ranges(text: str) -> tuple[PortRange, ...]:
    """``7010`` or ``31000..31100``, several with commas. Raises ``UserError``."""
    return tuple(port_range(part) for part in text.split(","))


def _first(given: float | None, default: float) -> float:
    return default if given is None else given


def fits_nowhere(wanted: Sequence[tuple[Workload, Needs]], hosts: dict[str, tuple[float, float]]) -> list[str]:
    """A line for each workload that cannot run beside the others, given the hosts' (cpus, MB) by name.

    Those with a home are counted there first; the others go wherever they still fit.
    """
    left = dict(hosts)
    lines = []
    for workload, needs in sorted(wanted, key=lambda each: each[1].home is None):
        candidates = [needs.home] if needs.home is not None else list(left)
        room = {host: left.get(host, (math.inf, math.inf)) for host in candidates}
        place = next((host for host, (cpus, mem) in room.items() if cpus >= needs.cpus and mem >= needs.mem_mb), None)
        if place is None:
            where = ", ".join(f"{host} has {cpus:g} cpus and {mem:g} MB left" for host, (cpus, mem) in room.items())
            lines.append(f"{workload.name} needs {needs.cpus:g} cpus and {needs.mem_mb:g} MB: {where or 'no host'}")
        else:
            left[place] = (room[place][0] - needs.cpus, room[place][1] - needs.mem_mb)
    return lines
