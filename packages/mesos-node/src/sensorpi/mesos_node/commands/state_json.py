"""The states of brokers and job as JSON, for programs. What an engine does not know is left out."""

from dataclasses import asdict

from sensorpi.mesos_node.engines.engine import BrokerState, JobState, TaskState, WorkloadState


def broker_json(broker: BrokerState) -> dict[str, object]:
    """One broker."""
    own = _known({"id": broker.id, "heap_mb": broker.heap_mb, "controller": broker.controller})
    return own | _workload_json(broker) | (asdict(broker.details) if broker.details else {})


def job_json(state: JobState) -> dict[str, object]:
    """The job, with Spark's daemons in ``spark`` where the engine runs them."""
    shown = _workload_json(state.job)
    if state.spark is not None:
        shown["spark"] = [{"name": each.name, **_workload_json(each)} for each in state.spark]
    return shown


def _workload_json(workload: WorkloadState) -> dict[str, object]:
    return _known(
        {
            "active": workload.active,
            "state": workload.state,
            "cpus": workload.cpus,
            "mem_mb": workload.mem_mb,
            "task": None if workload.task is None else _task_json(workload.task),
            "message": workload.message,
            "failures": workload.failures,
        }
    )


def _task_json(task: TaskState) -> dict[str, object]:
    return _known({"host": task.host, "ports": task.ports}) | (asdict(task.details) if task.details else {})


def _known(values: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}
