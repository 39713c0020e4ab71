"""What the commands do to the wanted state: each does all, or raises ``UserError`` and does nothing."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from sensorpi.common.cluster.model import Cluster
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.kafka.broker import FIXED_PROPERTIES
from sensorpi.mesos_node.notation.expressions import broker_ids
from sensorpi.mesos_node.scheduler.core import rolling
from sensorpi.mesos_node.scheduler.core.model import JOB, RUNNING, UNREACHABLE, Settings, State, Workload, broker_name
from sensorpi.mesos_node.scheduler.core.needs import needs_of
from sensorpi.mesos_node.scheduler.core.updates import give_up

#: The types of the settings as JSON brings them.
_KINDS: dict[str, tuple[type, ...]] = {
    "cpus": (int, float),
    "mem_mb": (int, float),
    "heap_mb": (int,),
    "port": (str,),
    "constraints": (str,),
    "options": (str,),
    "jvm_options": (str,),
    "stickiness_period_s": (int, float),
    "failover_delay_s": (int, float),
    "failover_max_delay_s": (int, float),
    "failover_max_tries": (int,),
}

#: More is a typing error; 0 is none of these.
_MOST: dict[str, int] = {"cpus": 1024, "mem_mb": 16_777_216, "heap_mb": 16_777_216}
_MOST_OTHERS = 1_000_000_000

#: ZooKeeper takes a node of 1 MB, and would be tried again for ever with a larger one; tasks need room in it as well.
_MOST_STATE_BYTES = 500_000


def select(state: State, expression: str) -> list[Workload]:
    """The brokers that an expression names. Raises ``UserError`` for one that is not there, or for none."""
    brokers = {each.broker_id: each for each in state.brokers() if each.broker_id is not None}
    places = {number: _place(each) for number, each in brokers.items()}
    ids = broker_ids(expression, list(brokers), places)
    missing = [each for each in ids if each not in brokers]
    if missing:
        there = ", ".join(str(each) for each in brokers) or "none"
        raise UserError(f"no broker {', '.join(map(str, missing))}: there are {there}")
    if not ids:
        raise UserError(f'"{expression}" names no broker')
    return [brokers[each] for each in ids]


def _place(workload: Workload) -> dict[str, str]:
    if workload.task is not None:
        return workload.task.place
    return {"hostname": workload.data_host} if workload.data_host is not None else {}


def add(state: State, cluster: Cluster, expression: str, given: Mapping[str, Any]) -> list[Workload]:
    """New brokers, not started yet."""
    ids = broker_ids(expression, [])
    present = [each for each in ids if broker_name(each) in state.workloads]
    if present:
        raise UserError(f"broker {', '.join(map(str, present))} is there already: `update` changes it")
    if not ids:
        raise UserError(f'"{expression}" names no new broker')
    if "data_host" in given:
        raise UserError("--data-host is for a broker that has data")
    made = [Workload(broker_name(each), settings=_changed(Settings(), given)) for each in ids]
    for each in made:
        _check(each, cluster)
    _check_room(state, made)
    state.workloads.update({each.name: each for each in made})
    return made


def update(state: State, cluster: Cluster, expression: str, given: Mapping[str, Any]) -> list[Workload]:
    """Change settings; an empty value or None goes back to cluster.toml's or the default. A task keeps its own."""
    brokers = select(state, expression)
    given = dict(given)
    moves = "data_host" in given
    data_host = given.pop("data_host", None)
    if not isinstance(data_host, str | None):
        raise UserError(f"data_host: {data_host!r} is of the wrong type")
    changed = {each.name: _changed(each.settings, given) for each in brokers}
    _check_room(state, [replace(each, settings=changed[each.name]) for each in brokers])
    for each in brokers:
        _check(replace(each, settings=changed[each.name]), cluster)
        if moves:
            _check_move(state, cluster, each, brokers)
    for each in brokers:
        each.settings = changed[each.name]
        if moves:
            give_up(state, each)
            each.data_host = data_host or None
            if each.data_host is None and len(cluster.voters) == 1:
                each.has_run = False  # nobody has its data: it may begin with nothing
            each.retry_s = 0.0
    return brokers


def _check_move(state: State, cluster: Cluster, workload: Workload, brokers: Sequence[Workload]) -> None:
    if len(brokers) != 1:
        raise UserError("--data-host is for one broker at a time")
    if workload.task is not None and workload.task.state != UNREACHABLE:
        raise UserError(f"{workload.name} runs on {workload.task.hostname}: stop it first")
    voters = [state.workloads.get(broker_name(each)) for each in range(len(cluster.voters))]
    if workload in voters:
        down = [each.name for each in voters if each and each is not workload and not _runs(each)]
        if down:
            raise UserError(f"{workload.name} votes, and {', '.join(down)} does not run: one voter at a time")


def _runs(workload: Workload) -> bool:
    return workload.task is not None and workload.task.state == RUNNING


def remove(state: State, cluster: Cluster, expression: str) -> list[Workload]:
    """Forget brokers that are stopped; their data stays where it is."""
    brokers = select(state, expression)
    for each in brokers:
        number = each.broker_id
        if number is not None and number < len(cluster.voters):
            raise UserError(f"broker {number} is a controller that cluster.toml declares: it can only be stopped")
        if each.active or each.task is not None:
            raise UserError(f"{each.name} is not stopped: stop it first")
    for each in brokers:
        del state.workloads[each.name]
    return brokers


def start(workloads: Sequence[Workload]) -> None:
    """Want tasks, at once."""
    for each in workloads:
        each.active = True
        each.failures, each.retry_s, each.message = 0, 0.0, ""


def stop(workloads: Sequence[Workload]) -> None:
    """Want no tasks."""
    for each in workloads:
        each.active = False


def restart(state: State, expression: str, timeout_s: float, now_s: float) -> list[Workload]:
    """Restart brokers one after the other."""
    brokers = select(state, expression)
    stopped = [each.name for each in brokers if not each.active]
    if stopped:
        raise UserError(f"{', '.join(stopped)} is stopped: start it")
    rolling.begin(state, [each.name for each in brokers], timeout_s, now_s)
    return brokers


def job(state: State) -> Workload:
    """The Spark job's workload."""
    return state.workloads.setdefault(JOB, Workload(JOB))


def _changed(settings: Settings, given: Mapping[str, Any]) -> Settings:
    names = {each.name for each in fields(Settings)}
    changes: dict[str, Any] = {}
    for name, value in given.items():
        if name not in names:
            raise UserError(f'no setting "{name}"')
        if value is not None and (isinstance(value, bool) or not isinstance(value, _KINDS[name])):
            raise UserError(f"{name}: {value!r} is of the wrong type")
        if isinstance(value, str) and not value.isprintable():
            raise UserError(f"{name}: {value!r}: expected one line of text")
        if isinstance(value, int | float):
            _check_number(name, value)
        changes[name] = None if value == "" else value
    return replace(settings, **changes)


def _check_number(name: str, value: float) -> None:
    most = _MOST.get(name, _MOST_OTHERS)
    if not 0 <= value <= most or (value == 0 and name in _MOST):  # NaN is in no order
        raise UserError(f"{name}: expected a number {'above' if name in _MOST else 'from'} 0, at most {most}")


def _check_room(state: State, workloads: Sequence[Workload]) -> None:
    size = len(replace(state, workloads=state.workloads | {each.name: each for each in workloads}).to_json())
    if size > _MOST_STATE_BYTES:
        raise UserError(
            f"so many brokers and settings are {size} bytes, and ZooKeeper keeps {_MOST_STATE_BYTES}: ask for fewer"
        )


def _check(workload: Workload, cluster: Cluster) -> None:
    needs = needs_of(workload, cluster)  # reads the texts
    if needs.is_voter and workload.settings.port is not None:
        raise UserError(f"{workload.name} is a controller: its ports are those in cluster.toml")
    fixed = sorted(set(needs.options) & set(FIXED_PROPERTIES))
    if fixed:
        raise UserError(f"{workload.name}: {fixed[0]} comes from cluster.toml and cannot be set")
    try:
        shlex.split(needs.jvm_options)
    except ValueError as error:
        raise UserError(f"{workload.name}: --jvm-options {needs.jvm_options}: {error}") from None
    if needs.mem_mb < needs.heap_mb:
        raise UserError(f"{workload.name}: {needs.mem_mb:g} MB of memory do not hold a heap of {needs.heap_mb} MB")
