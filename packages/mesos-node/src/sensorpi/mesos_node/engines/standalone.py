"""The standalone engine: systemd runs this node's broker and job, so the commands act on this node alone."""

import subprocess
from collections.abc import Sequence

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cli.node_context import NodeContext
from sensorpi.common.cluster.model import Cluster
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.engines.engine import (
    BrokerSettings,
    BrokerState,
    JobState,
    Result,
    Stream,
    TaskState,
    WorkloadState,
)
from sensorpi.mesos_node.notation.expressions import broker_ids

_BROKER_UNIT = "sensorpi-kafka.service"
_JOB_UNIT = "sensorpi-spark-job.service"

_LOG_LINES = 100
#: How long Kafka, and systemd when it is only asked, have to answer.
_KAFKA_ANSWER_S = 5.0
_SYSTEMD_ANSWER_S = 60.0


class StandaloneEngine:
    """An ``Engine``."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context
        self._cluster = context.cluster

    def list_brokers(self, brokers: str) -> Sequence[BrokerState]:
        """From cluster.toml, with what Kafka says of each."""
        chosen = self._ids(brokers)
        registered = _registered(self._cluster)
        return [self._broker(each, registered) for each in range(len(self._cluster.workers)) if each in chosen]

    def add_brokers(self, brokers: str, settings: BrokerSettings) -> Result:
        """Refused, as cluster.toml declares the brokers."""
        raise _declared_in_file()

    def update_brokers(self, brokers: str, settings: BrokerSettings) -> Result:
        """Refused, as cluster.toml declares the brokers."""
        raise _declared_in_file()

    def remove_brokers(self, brokers: str) -> Result:
        """Refused, as cluster.toml declares the brokers."""
        raise _declared_in_file()

    def start_brokers(self, brokers: str, wait_s: float) -> Result:
        """Start this node's broker."""
        return self._command_broker("start", brokers, wait_s)

    def stop_brokers(self, brokers: str, wait_s: float) -> Result:
        """Stop this node's broker."""
        return self._command_broker("stop", brokers, wait_s)

    def restart_brokers(self, brokers: str, wait_s: float) -> Result:
        """Restart this node's broker."""
        return self._command_broker("restart", brokers, wait_s)

    def broker_log(self, broker: str, stream: Stream) -> str:
        """The last lines of this node's broker in the journal."""
        self._own_broker(broker, "log")
        return _journal(_BROKER_UNIT, stream)

    def job(self) -> JobState:
        """What systemd says of the job, on its node."""
        self._require_job_node("status")
        result = _run("systemctl", "show", "--property=ActiveState,StatusText", _JOB_UNIT)
        shown = dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
        active_state = shown.get("ActiveState", "")
        state = {"active": "running", "inactive": "stopped", "": "unknown"}.get(active_state, active_state)
        task = TaskState(self._cluster.spark_node.name)
        return JobState(WorkloadState("job", state, shown.get("StatusText", ""), state != "stopped", task=task))

    def start_job(self, wait_s: float) -> Result:
        """Start the job, on its node."""
        self._require_job_node("start")
        return _systemctl("start", _JOB_UNIT, "job", wait_s)

    def stop_job(self, wait_s: float) -> Result:
        """Stop the job, on its node."""
        self._require_job_node("stop")
        return _systemctl("stop", _JOB_UNIT, "job", wait_s)

    def job_log(self, task: str, stream: Stream) -> str:
        """The last lines of the job in the journal, on its node."""
        if task != "job":
            raise UserError(f'"{task}": with engine = "standalone", use journalctl on its node')
        self._require_job_node("log")
        return _journal(_JOB_UNIT, stream)

    def _ids(self, brokers: str) -> list[int]:
        """The ids that an expression names, which need not exist."""
        workers = self._cluster.workers
        places = {each: {"hostname": worker.name} for each, worker in enumerate(workers)}
        return broker_ids(brokers, range(len(workers)), places)

    def _broker(self, broker_id: int, registered: set[int] | None) -> BrokerState:
        kafka = self._cluster.kafka
        return BrokerState(
            f"broker-{broker_id}",
            "unknown" if registered is None else "running" if broker_id in registered else "down",
            "no broker answers" if registered is None else "",
            id=broker_id,
            task=TaskState(self._cluster.workers[broker_id].name, (kafka.port,)),
            mem_mb=kafka.memory_mb,
            heap_mb=kafka.heap_mb,
            controller=broker_id < len(self._cluster.voters),
        )

    def _command_broker(self, action: str, brokers: str, wait_s: float) -> Result:
        return _systemctl(action, _BROKER_UNIT, f"broker-{self._own_broker(brokers, action)}", wait_s)

    def _own_broker(self, brokers: str, action: str) -> int:
        """The id of this node's broker, which must be the only one that the expression names."""
        workers = self._cluster.workers
        ids = self._ids(brokers)
        missing = [str(each) for each in ids if each >= len(workers)]
        if missing or not ids:
            raise UserError(f"no broker {', '.join(missing) or brokers}: cluster.toml has {len(workers)}")
        for each in ids:
            if workers[each] != self._context.node:
                raise UserError(
                    f'broker {each} runs on {workers[each].name}: with engine = "standalone", '
                    f"run `sensorpi kafka broker {action} {each}` there"
                )
        return ids[0]

    def _require_job_node(self, action: str) -> None:
        node = self._cluster.spark_node
        if self._context.node != node:
            raise UserError(
                f'the job runs on {node.name}: with engine = "standalone", run `sensorpi job {action}` there'
            )


def _declared_in_file() -> UserError:
    return UserError(
        'with engine = "standalone" the brokers are the workers of cluster.toml: change it on every node, '
        "then run `sensorpi config apply`"
    )


def _registered(cluster: Cluster) -> set[int] | None:
    """The ids of the brokers that are up; None when none answers."""
    from kafka.errors import KafkaError  # it takes a while to load, and only `list` needs it

    from sensorpi.mesos_node.kafka.probe import connect

    try:
        with connect(cluster.bootstrap_servers, _KAFKA_ANSWER_S) as admin:
            return {each["broker_id"] for each in admin.describe_cluster()["brokers"] if not each["is_fenced"]}
    except KafkaError:
        return None


def _systemctl(action: str, unit: str, workload: str, wait_s: float) -> Result:
    if wait_s == 0:
        result = _run("systemctl", "--no-block", action, unit)
    else:
        try:
            result = _run("systemctl", action, unit, limit_s=wait_s)
        except _NoAnswer:
            reason = f"not within {wait_s:g} s: systemd continues to {action} {unit}"
            return Result((workload,), ExitCode.TIMED_OUT, reason)
    if result.returncode != 0:
        reason = f"systemctl {action} {unit}: {' '.join(result.stderr.split()) or f'status {result.returncode}'}"
        return Result((workload,), ExitCode.FAILED, reason)
    return Result((workload,))


def _journal(unit: str, stream: Stream) -> str:
    if stream is not Stream.STDOUT:
        raise UserError('--stderr: with engine = "standalone" the log has both outputs; leave the option out')
    return _run("journalctl", "--no-pager", "--quiet", f"--lines={_LOG_LINES}", f"--unit={unit}").stdout


class _NoAnswer(UserError):
    """A program took too long."""


def _run(*command: str, limit_s: float = _SYSTEMD_ANSWER_S) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise _NoAnswer(f"{command[0]} does not answer within {limit_s:g} s") from None
    except OSError as error:
        raise UserError(f"{command[0]} cannot be run: {error.strerror}") from None
