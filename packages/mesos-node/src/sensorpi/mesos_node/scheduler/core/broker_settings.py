"""Reads and checks the settings that a command gives a broker."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from sensorpi.common.cluster.model import Cluster
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.kafka.broker import FIXED_PROPERTIES
from sensorpi.mesos_node.notation.allowed import check_properties, jvm_words
from sensorpi.mesos_node.scheduler.core.model import State, Workload, WorkloadSettings
from sensorpi.mesos_node.scheduler.core.needs import needs_of

#: The types of the settings as JSON brings them.
_TYPES: dict[str, tuple[type, ...]] = {
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

#: A number above these is a typing error. Those with a limit of their own may not be 0.
_LIMITS: dict[str, int] = {"cpus": 1024, "mem_mb": 16_777_216, "heap_mb": 16_777_216}
_LIMIT_OF_OTHERS = 1_000_000_000

#: ZooKeeper refuses a node above 1 MB, and the scheduler would retry for ever; the tasks need room in it as well.
_MOST_STATE_BYTES = 500_000


def changed(settings: WorkloadSettings, given: Mapping[str, Any]) -> WorkloadSettings:
    """The settings with what is given; "" and None remove one. Raises ``UserError`` for a value that cannot be."""
    names = {each.name for each in fields(WorkloadSettings)}
    changes: dict[str, Any] = {}
    for name, value in given.items():
        if name not in names:
            raise UserError(f'there is no setting "{name}"')
        if value is not None and (isinstance(value, bool) or not isinstance(value, _TYPES[name])):
            raise UserError(f"{name}: {value!r} has the wrong type")
        if isinstance(value, str) and not value.isprintable():
            raise UserError(f"{name}: {value!r}: expected one line of text")
        if isinstance(value, int | float):
            _check_number(name, value)
        changes[name] = None if value == "" else value
    return replace(settings, **changes)


def _check_number(name: str, value: float) -> None:
    most = _LIMITS.get(name, _LIMIT_OF_OTHERS)
    if not 0 <= value <= most or (value == 0 and name in _LIMITS):  # a comparison with NaN is false
        raise UserError(f"{name}: expected a number {'above' if name in _LIMITS else 'from'} 0, at most {most}")


def check(broker: Workload, cluster: Cluster) -> None:
    """Raise ``UserError`` when the broker's settings do not go together, or not with cluster.toml."""
    needs = needs_of(broker, cluster)  # reads the texts
    if needs.is_voter and broker.settings.port is not None:
        raise UserError(f"{broker.name} is a controller: its ports are those in cluster.toml")
    fixed = sorted(set(needs.options) & set(FIXED_PROPERTIES))
    if fixed:
        raise UserError(f"{broker.name}: {fixed[0]} comes from cluster.toml and cannot be set")
    check_properties(needs.options, broker.name)
    jvm_words(needs.jvm_options, f"{broker.name}: --jvm-options")
    if needs.mem_mb < needs.heap_mb:
        raise UserError(f"{broker.name}: a heap of {needs.heap_mb} MB does not fit in {needs.mem_mb:g} MB of memory")


def check_size(state: State, brokers: Sequence[Workload]) -> None:
    """Raise ``UserError`` when the state would be too large for ZooKeeper with these brokers."""
    size = len(replace(state, workloads=state.workloads | {each.name: each for each in brokers}).to_json())
    if size > _MOST_STATE_BYTES:
        raise UserError(
            f"with so many brokers and settings the state has {size} bytes, and at most {_MOST_STATE_BYTES} fit in "
            "ZooKeeper: ask for fewer"
        )
