"""The interface of both engines, with the states and results that they return.

In a state, None is what an engine does not have or does not know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from sensorpi.common.cli.exit_code import ExitCode


class Stream(Enum):
    """Which output of a program."""

    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True)
class TaskDetails:
    """What Mesos knows of a task beyond its place. ``healthy`` is None before its first health check."""

    id: str
    attributes: Mapping[str, str]
    healthy: bool | None
    restart_needed: bool


@dataclass(frozen=True)
class TaskState:
    """Where a workload runs."""

    host: str
    ports: tuple[int, ...] | None = None
    details: TaskDetails | None = None


@dataclass(frozen=True)
class WorkloadState:
    """A broker, the job or a daemon of Spark. ``active`` is whether it should run, ``state`` one word for what it does.

    ``message`` is empty when there is nothing to add.
    """

    name: str
    state: str
    message: str
    active: bool | None = None
    cpus: float | None = None
    mem_mb: float | None = None
    task: TaskState | None = None
    failures: int | None = None


@dataclass(frozen=True)
class BrokerDetails:
    """What the scheduler keeps of a broker. ``data_host`` is None while it has no data."""

    data_host: str | None
    settings: Mapping[str, float | str]


@dataclass(frozen=True, kw_only=True)
class BrokerState(WorkloadState):
    """A broker. A ``controller`` votes in the KRaft quorum."""

    id: int
    heap_mb: int | None = None
    controller: bool | None = None
    details: BrokerDetails | None = None


@dataclass(frozen=True)
class JobState:
    """The Spark job, with the daemons of Spark that the same engine runs."""

    job: WorkloadState
    spark: tuple[WorkloadState, ...] | None = None


@dataclass(frozen=True)
class BrokerSettings:
    """What a command changes of brokers. None leaves a setting alone; one that ``reset`` names returns to its default.

    Without a ``data_host`` a broker begins with no data.
    """

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
    data_host: str | None = None
    reset: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Result:
    """What a command did: to which workloads, how it ended, and if not ``OK``, why, in one line."""

    workloads: tuple[str, ...]
    status: ExitCode = ExitCode.OK
    reason: str = ""


class Engine(Protocol):
    """Runs brokers and job. ``brokers`` is an expression such as ``0..2``; a ``wait_s`` of 0 does not wait.

    Every method raises ``UserError`` for a mistake, for what this engine cannot do, and when nothing answers.
    """

    def list_brokers(self, brokers: str) -> Sequence[BrokerState]:
        """The brokers, in the order of their ids."""
        ...

    def add_brokers(self, brokers: str, settings: BrokerSettings) -> Result:
        """Declare new brokers, which are stopped."""
        ...

    def update_brokers(self, brokers: str, settings: BrokerSettings) -> Result:
        """Change the settings with which brokers start next time."""
        ...

    def remove_brokers(self, brokers: str) -> Result:
        """Remove stopped brokers; their data stays."""
        ...

    def start_brokers(self, brokers: str, wait_s: float) -> Result:
        """Start brokers, and wait at most ``wait_s`` seconds until they listen."""
        ...

    def stop_brokers(self, brokers: str, wait_s: float) -> Result:
        """Stop brokers, and wait at most ``wait_s`` seconds until they have stopped."""
        ...

    def restart_brokers(self, brokers: str, wait_s: float) -> Result:
        """Restart brokers one after the other, each within ``wait_s`` seconds."""
        ...

    def broker_log(self, broker: str, stream: Stream) -> str:
        """The last lines that one broker has written."""
        ...

    def job(self) -> JobState:
        """The state of the job."""
        ...

    def start_job(self, wait_s: float) -> Result:
        """Start the job, and wait at most ``wait_s`` seconds until it runs."""
        ...

    def stop_job(self, wait_s: float) -> Result:
        """Stop the job, and wait at most ``wait_s`` seconds until it has stopped."""
        ...

    def job_log(self, task: str, stream: Stream) -> str:
        """The last lines that the job has written (``task`` is ``job``), or a daemon of Spark."""
        ...
