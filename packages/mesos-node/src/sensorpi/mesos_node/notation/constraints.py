"""Constraints on where a broker may run, in the notation of the mesos/kafka framework.

``like:REGEX``, ``unlike:REGEX`` and ``cluster:VALUE`` consider only the host; ``unique``, ``cluster`` and
``groupBy[:N]`` compare it with the hosts of the other brokers. Names are ``hostname`` and the agents' attributes.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from sensorpi.common.errors import UserError
from sensorpi.mesos_node.notation.expressions import settings


def parse_constraints(text: str) -> dict[str, str]:
    """``hostname=like:worker0[12],rack=unique`` as a dictionary. Raises ``UserError`` for what is not a constraint."""
    constraints = settings(text, "a constraint")
    for name, constraint in constraints.items():
        _check(name, constraint)
    return constraints


def _check(name: str, constraint: str) -> None:
    kind, _, value = constraint.partition(":")
    if kind in ("like", "unlike") and value:
        try:
            re.compile(value)
        except (re.error, OverflowError, RecursionError) as error:
            raise UserError(f'"{name}={constraint}": {value} is not a regular expression: {error}') from None
    elif re.fullmatch(r"unique|cluster|cluster:.+|groupBy|groupBy:[1-9][0-9]{0,3}", constraint) is None:
        raise UserError(
            f'"{name}={constraint}": expected like:REGEX, unlike:REGEX, unique, cluster[:VALUE] or groupBy[:N]'
        )


def unmet(constraints: Mapping[str, str], place: Mapping[str, str], others: Sequence[Mapping[str, str]]) -> str | None:
    """The first constraint, ``NAME=CONSTRAINT``, that a broker at ``place`` would not meet, or None.

    ``others`` are the places of the other brokers. A place without the attribute meets only ``unlike``.
    """
    for name, constraint in constraints.items():
        value = place.get(name)
        taken = [other[name] for other in others if name in other]
        if not _is_met(constraint, value, taken):
            return f"{name}={constraint}"
    return None


def _is_met(constraint: str, value: str | None, taken: Sequence[str]) -> bool:
    kind, _, argument = constraint.partition(":")
    if kind == "unlike":
        return value is None or re.fullmatch(argument, value) is None
    if value is None:
        return False
    if kind == "like":
        return re.fullmatch(argument, value) is not None
    if kind == "unique":
        return value not in taken
    if kind == "cluster":
        return value == argument if argument else all(value == other for other in taken)
    return _keeps_groups(value, taken, int(argument or 1))


def _keeps_groups(value: str, taken: Sequence[str], groups: int) -> bool:
    """First as many different values as asked for, then always the one with the fewest brokers."""
    counts = Counter(taken)
    if len(counts) < groups:
        return value not in counts
    return counts[value] == min(counts.values()) and value in counts
