"""Spreads the replicas of partitions evenly over brokers, with as few moves as possible."""

from collections import Counter
from collections.abc import Mapping, Sequence

from kafka import TopicPartition

from sensorpi.common.errors import UserError

#: The brokers of a partition's replicas; the first leads by preference.
Replicas = tuple[int, ...]


def spread(
    present: Mapping[TopicPartition, Replicas], brokers: Sequence[int], replicas: int | None = None
) -> dict[TopicPartition, Replicas]:
    """The brokers of each partition's replicas, chosen so that the brokers' numbers of replicas differ by one at most.

    Each partition keeps its number of replicas, or gets ``replicas``. Preferred leaders are spread in the same way, as
    far as the replicas allow. Raises ``UserError`` when there are too few brokers.
    """
    most = max((len(each) for each in present.values()), default=0) if replicas is None else replicas
    if most > len(brokers):
        raise UserError(f"{most} replicas of a partition need as many brokers; there are {len(brokers)}")
    wanted = {partition: [each for each in old if each in brokers] for partition, old in present.items()}
    load = Counter(dict.fromkeys(brokers, 0))
    for chosen in wanted.values():
        load.update(chosen)
    for partition, chosen in wanted.items():
        _resize(chosen, len(present[partition]) if replicas is None else replicas, load)
    _level(wanted, load)
    _share_leaders(wanted, brokers)
    return {partition: tuple(chosen) for partition, chosen in wanted.items()}


def _resize(chosen: list[int], size: int, load: "Counter[int]") -> None:
    while len(chosen) < size:
        added = min((broker for broker in load if broker not in chosen), key=lambda broker: (load[broker], broker))
        chosen.append(added)
        load[added] += 1
    while len(chosen) > size:
        removed = max(reversed(chosen), key=lambda broker: load[broker])  # the first leads, so keep it if possible
        chosen.remove(removed)
        load[removed] -= 1


def _level(wanted: Mapping[TopicPartition, list[int]], load: "Counter[int]") -> None:
    while load:
        most, least = max(load, key=lambda broker: load[broker]), min(load, key=lambda broker: load[broker])
        if load[most] - load[least] <= 1:
            return
        # One that the first has and the second does not: it exists, or the second would have as many.
        chosen = next(each for each in wanted.values() if most in each and least not in each)
        chosen[chosen.index(most)] = least
        load[most] -= 1
        load[least] += 1


def _share_leaders(wanted: Mapping[TopicPartition, list[int]], brokers: Sequence[int]) -> None:
    leads = Counter(dict.fromkeys(brokers, 0))
    leads.update(chosen[0] for chosen in wanted.values() if chosen)
    changed = True
    while changed:  # each change makes the numbers more equal, so this ends
        changed = False
        for chosen in wanted.values():
            least = min(chosen, key=lambda broker: leads[broker], default=None)
            if least is not None and leads[chosen[0]] - leads[least] > 1:
                leads[chosen[0]] -= 1
                leads[least] += 1
                chosen.remove(least)
                chosen.insert(0, least)
                changed = True
