"""The state that is kept in ZooKeeper: what is wanted, and what is known of each task. Times are Unix seconds."""

import json
import re
from dataclasses import asdict, dataclass, field

from sensorpi.common.daemon.untrusted import parse_json
from sensorpi.mesos_node.scheduler.core.typed import build

JOB = "job"
_BROKER = "broker-"
_SPARK = "spark-"
SPARK_MASTER = f"{_SPARK}master"
SPARK_WORKER = f"{_SPARK}worker-"
_NAME = re.compile(rf"{_BROKER}\d{{1,4}}|{JOB}|{SPARK_MASTER}|{SPARK_WORKER}\d{{1,4}}", re.ASCII)

# Task states as Mesos names them, without TASK_.
RUNNING = "RUNNING"
UNREACHABLE = "UNREACHABLE"


def broker_name(broker_id: int) -> str:
    """The name of that broker's workload."""
    return f"{_BROKER}{broker_id}"


@dataclass(frozen=True)
class WorkloadSettings:
    """What `sensorpi kafka broker` has set for a broker. None: as in cluster.toml, or the default."""

    cpus: float | None = None
    mem_mb: float | None = None
    heap_mb: int | None = None
    port: str | None = None
    constraints: str | None = None
    options: str | None = None
    jvm_options: str | None = None
    stickiness_period_s: float | None = None
    failover_delay_s: float | None = None
    failover_max_delay_s: float | None = None
    failover_max_tries: int | None = None


@dataclass
class Task:
    """A task that was launched and has not ended, as far as is known."""

    id: str
    agent_id: str
    hostname: str
    agent: str = ""  # "host:port"
    attributes: dict[str, str] = field(default_factory=dict)
    ports: list[int] = field(default_factory=list)
    launched_s: float = 0.0
    state: str = "STAGING"
    running_since_s: float | None = None
    healthy: bool | None = None
    kill_sent_s: float | None = None
    message: str = ""
    needs: str = ""  # fingerprint of what it was launched with, to see whether a restart would change anything

    @property
    def place(self) -> dict[str, str]:
        """The host's attributes, with ``hostname`` among them."""
        return {**self.attributes, "hostname": self.hostname}


@dataclass
class Workload:
    """A broker, the job or a Spark daemon: whether it is wanted, its task, and what happened before."""

    name: str
    active: bool = False
    settings: WorkloadSettings = field(default_factory=WorkloadSettings)
    task: Task | None = None
    data_host: str | None = None  # where the broker's folder is
    has_run: bool = False  # the broker has formatted its folder: if the folder is empty now, its data is lost
    last_host: str | None = None
    last_host_s: float = 0.0
    failures: int = 0
    retry_s: float = 0.0  # when it may be launched again
    message: str = ""
    last_task_id: str = ""  # its log can still be read
    last_agent: str = ""

    @property
    def broker_id(self) -> int | None:
        """The broker's id; None for everything else."""
        return int(self.name.removeprefix(_BROKER)) if self.name.startswith(_BROKER) else None

    @property
    def is_spark_daemon(self) -> bool:
        """Whether it is the master or a worker of Spark's standalone cluster."""
        return self.name.startswith(_SPARK)


@dataclass
class RollingRestart:
    """Brokers being restarted one after the other; ``old_task_id`` is the task of the first one that has to end."""

    queue: list[str]
    timeout_s: float
    deadline_s: float
    old_task_id: str = ""
    done: list[str] = field(default_factory=list)
    waiting_for: str = ""


@dataclass
class State:
    """The whole state. A workload in ``declared`` was added from cluster.toml once, and is not added again."""

    framework_id: str | None = None
    workloads: dict[str, Workload] = field(default_factory=dict)
    declared: list[str] = field(default_factory=list)
    orphans: dict[str, str] = field(default_factory=dict)  # the agents of tasks that were given up as lost, by task id
    restart: RollingRestart | None = None
    last_restart: str = ""  # why it ended early; empty if it did not
    last_restart_timed_out: bool = False

    def brokers(self) -> list[Workload]:
        """The brokers in the order of their ids."""
        found = [(each.broker_id, each) for each in self.workloads.values()]
        return [each for _, each in sorted((number, each) for number, each in found if number is not None)]

    def in_order(self) -> list[Workload]:
        """All workloads as they are placed: brokers by id, Spark's daemons, then the job, which can run on any host."""
        others = [each for each in self.workloads.values() if each.broker_id is None]
        return [*self.brokers(), *sorted(others, key=lambda each: each.name == JOB)]

    def find_task(self, task_id: str) -> "tuple[Workload, Task] | tuple[None, None]":
        """The task with that id and its workload; (None, None) when no workload has it."""
        for workload in self.workloads.values():
            if workload.task is not None and workload.task.id == task_id:
                return workload, workload.task
        return None, None

    def to_json(self) -> str:
        """The text that is stored."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True)


def state_from_json(text: str) -> State:
    """Read what ``State.to_json`` wrote; keys that this version does not know are ignored.

    Raises ValueError or TypeError when it is anything else.
    """
    state = build(State, parse_json(text))
    for name, workload in state.workloads.items():
        if workload.name != name or not _NAME.fullmatch(name):
            raise ValueError(f"there cannot be a workload {name[:40]!r}")
    if state.restart is not None and not state.restart.queue:
        raise ValueError("the restart has no broker left")
    return state
