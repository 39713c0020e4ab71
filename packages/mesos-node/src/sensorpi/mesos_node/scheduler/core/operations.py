"""Changes of what is wanted: by cluster.toml, and by the operator's commands.

Each command does all that it is asked for, or raises ``UserError`` and changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sensorpi.common.cluster.model import Cluster
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.notation.expressions import broker_ids
from sensorpi.mesos_node.scheduler.core import rolling
from sensorpi.mesos_node.scheduler.core.broker_settings import changed, check, check_size
from sensorpi.mesos_node.scheduler.core.model import (
    JOB,
    RUNNING,
    UNREACHABLE,
    State,
    Workload,
    WorkloadSettings,
    broker_name,
)
from sensorpi.mesos_node.scheduler.core.needs import spark_daemons
from sensorpi.mesos_node.scheduler.core.updates import give_up

_RESTART_TIMEOUT_S = 300.0
_LONGEST_TIMEOUT_S = 1e9


def declare(state: State, cluster: Cluster) -> None:
    """Add what cluster.toml declares and never was added before: its workers' brokers, and the job.

    Spark's daemons have no commands: they are wanted for as long as cluster.toml asks for them.
    """
    names = [broker_name(broker_id) for broker_id in range(len(cluster.workers))]
    for name in [*names, JOB]:
        if name not in state.declared:
            state.declared.append(name)
            state.workloads.setdefault(name, Workload(name, active=True))
    daemons = spark_daemons(cluster)
    for workload in [each for each in state.workloads.values() if each.is_spark_daemon]:
        if workload.name not in daemons and workload.task is None:
            del state.workloads[workload.name]
    for name in daemons:
        state.workloads.setdefault(name, Workload(name))
    for workload in state.workloads.values():
        if workload.is_spark_daemon:
            workload.active = workload.name in daemons


def perform(state: State, cluster: Cluster, name: str, given: Mapping[str, Any], now_s: float) -> list[str]:
    """Do what a command asks for; return the names of the workloads it is about. Raises ``UserError`` for a mistake.

    ``name`` is "job start", "job stop", or "broker" with add, update, remove, start, stop or restart. ``given`` comes
    unchecked from the request's JSON: ``brokers`` is an expression such as "0..2"; add and update take settings, update
    also ``data_host``, restart ``timeout_s``.
    """
    workloads = _perform(state, cluster, name, dict(given), now_s)
    return [each.name for each in workloads]


def _perform(state: State, cluster: Cluster, name: str, given: dict[str, Any], now_s: float) -> list[Workload]:
    if name == "job start":
        return _start([_job(state)])
    if name == "job stop":
        return _stop([_job(state)])
    expression = given.pop("brokers", None)
    if not isinstance(expression, str):
        raise UserError("expected brokers such as 0..2")
    if name == "broker add":
        return _add(state, cluster, expression, given)
    brokers = _select(state, expression)
    match name:
        case "broker update":
            return _update(state, cluster, brokers, given)
        case "broker remove":
            return _remove(state, cluster, brokers)
        case "broker start":
            return _start(brokers)
        case "broker stop":
            return _stop(brokers)
        case "broker restart":
            return _restart(state, brokers, given.get("timeout_s", _RESTART_TIMEOUT_S), now_s)
    raise UserError(f'there is no command "{name}"')


def _job(state: State) -> Workload:
    return state.workloads.setdefault(JOB, Workload(JOB))


def _select(state: State, expression: str) -> list[Workload]:
    """The brokers that an expression names, at least one."""
    brokers = {each.broker_id: each for each in state.brokers() if each.broker_id is not None}
    places = {number: _place(each) for number, each in brokers.items()}
    ids = broker_ids(expression, list(brokers), places)
    missing = [each for each in ids if each not in brokers]
    if missing:
        present = ", ".join(str(each) for each in brokers) or "none"
        raise UserError(f"no broker {', '.join(map(str, missing))}: there are {present}")
    if not ids:
        raise UserError(f'no broker matches "{expression}"')
    return [brokers[each] for each in ids]


def _place(workload: Workload) -> dict[str, str]:
    if workload.task is not None:
        return workload.task.place
    return {"hostname": workload.data_host} if workload.data_host is not None else {}


def _add(state: State, cluster: Cluster, expression: str, given: Mapping[str, Any]) -> list[Workload]:
    """New brokers, not started yet."""
    ids = broker_ids(expression, [])
    present = [each for each in ids if broker_name(each) in state.workloads]
    if present:
        raise UserError(f"broker {', '.join(map(str, present))} already exists: `update` changes it")
    if not ids:
        raise UserError(f'"{expression}" names no new broker')
    if "data_host" in given:
        raise UserError("--data-host is for a broker that has data")
    added = [Workload(broker_name(each), settings=changed(WorkloadSettings(), given)) for each in ids]
    for each in added:
        check(each, cluster)
    check_size(state, added)
    state.workloads.update({each.name: each for each in added})
    return added


def _update(state: State, cluster: Cluster, brokers: list[Workload], given: Mapping[str, Any]) -> list[Workload]:
    """Change settings; an empty value or None goes back to cluster.toml's or the default. A task keeps its own."""
    settings = {name: value for name, value in given.items() if name != "data_host"}
    moves, data_host = "data_host" in given, given.get("data_host")
    if not isinstance(data_host, str | None):
        raise UserError(f"data_host: {data_host!r} has the wrong type")
    updated = [replace(each, settings=changed(each.settings, settings)) for each in brokers]
    check_size(state, updated)
    for each in updated:
        check(each, cluster)
    if moves:
        _check_move(state, cluster, brokers)
    for broker, each in zip(brokers, updated, strict=True):
        broker.settings = each.settings
        if moves:
            _move(state, cluster, broker, data_host or None)
    return brokers


def _move(state: State, cluster: Cluster, broker: Workload, data_host: str | None) -> None:
    give_up(state, broker)
    broker.data_host = data_host
    if data_host is None and len(cluster.voters) == 1:
        broker.has_run = False  # no other broker has its data: it may start with an empty folder
    broker.retry_s = 0.0


def _check_move(state: State, cluster: Cluster, brokers: Sequence[Workload]) -> None:
    if len(brokers) != 1:
        raise UserError("--data-host is for one broker at a time")
    [broker] = brokers
    if broker.task is not None and broker.task.state != UNREACHABLE:
        raise UserError(f"{broker.name} runs on {broker.task.hostname}: stop it first")
    voters = [state.workloads.get(broker_name(each)) for each in range(len(cluster.voters))]
    if broker in voters:
        down = [each.name for each in voters if each and each is not broker and not _runs(each)]
        if down:
            raise UserError(
                f"{broker.name} is a controller, and so is {', '.join(down)}, which does not run: "
                "only one controller may be down"
            )


def _runs(workload: Workload) -> bool:
    return workload.task is not None and workload.task.state == RUNNING


def _remove(state: State, cluster: Cluster, brokers: list[Workload]) -> list[Workload]:
    """Forget brokers that are stopped; their data stays where it is."""
    for each in brokers:
        number = each.broker_id
        if number is not None and number < len(cluster.voters):
            raise UserError(f"broker {number} is a controller that cluster.toml declares: it can only be stopped")
        if each.active or each.task is not None:
            raise UserError(f"{each.name} is not stopped: stop it first")
    for each in brokers:
        del state.workloads[each.name]
    return brokers


def _start(workloads: list[Workload]) -> list[Workload]:
    for each in workloads:
        each.active = True
        each.failures, each.retry_s, each.message = 0, 0.0, ""
    return workloads


def _stop(workloads: list[Workload]) -> list[Workload]:
    for each in workloads:
        each.active = False
    return workloads


def _restart(state: State, brokers: list[Workload], timeout_s: object, now_s: float) -> list[Workload]:
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or not 0 < timeout_s <= _LONGEST_TIMEOUT_S:
        raise UserError("timeout_s: expected a number of seconds")
    stopped = [each.name for each in brokers if not each.active]
    if stopped:
        raise UserError(f"{', '.join(stopped)} is stopped: start it")
    rolling.begin(state, [each.name for each in brokers], timeout_s, now_s)
    return brokers
