"""Faults of whole machines, alone or in pairs: which, where and for how long follows from a random seed."""

import random
import signal
from dataclasses import dataclass

from tests.cluster.site import BROKER, JOB, Site

_WORKERS = ("worker01", "worker02", "worker03")
_NODES = ("sensor01", *_WORKERS, "master01", "master02")
#: The words by which the main process of a node is found; the job may be elsewhere.
_PROCESSES = {"sensor01": "sensorpi sensor run", "master01": "influxd", **dict.fromkeys(_WORKERS, BROKER)}
_JOB = "the job"
#: Kind -> where it can happen, and how long it lasts at least and at most, in seconds.
_KINDS: dict[str, tuple[tuple[str, ...], float, float]] = {
    "power-off": (_NODES, 10.0, 30.0),
    "cable cut": (_NODES, 10.0, 30.0),
    "freeze": ((*_PROCESSES, _JOB), 5.0, 20.0),
    "kill": ((*_WORKERS, "master01", _JOB), 0.0, 0.0),
}


@dataclass(frozen=True)
class MachineFault:
    """One fault of one machine, or of its main process."""

    kind: str
    place: str
    duration_s: float

    def __str__(self) -> str:
        return f"{self.kind} of {self.place}" + (f" for {self.duration_s:g} s" if self.duration_s else "")


def rounds(seed: int, count: int) -> list[tuple[MachineFault, ...]]:
    """So many rounds of one or two faults at once; the first ones are the same whatever ``count`` is."""
    numbers = random.Random(seed)
    found: list[tuple[MachineFault, ...]] = []
    for _ in range(count):
        first = _fault(numbers)
        second = _fault(numbers)
        while second.place == first.place:
            second = _fault(numbers)
        found.append((first, second) if numbers.random() < 0.4 else (first,))
    return found


def _fault(numbers: random.Random) -> MachineFault:
    kind = numbers.choice(tuple(_KINDS))
    places, shortest_s, longest_s = _KINDS[kind]
    return MachineFault(kind, numbers.choice(places), round(numbers.uniform(shortest_s, longest_s)))


class Strike:
    """Faults that happen to a cluster at once, and are undone together."""

    def __init__(self, site: Site, faults: tuple[MachineFault, ...]) -> None:
        self._site, self._faults = site, faults
        self._job_node = site.job_node()

    def begin(self) -> None:
        """Let them happen."""
        for fault in self._faults:
            match fault.kind:
                case "power-off":
                    self._site.off(fault.place)
                case "cable cut":
                    self._site.unplug(fault.place)
                case "freeze":
                    self._signal(fault.place, signal.SIGSTOP)
                case "kill":
                    self._signal(fault.place, signal.SIGKILL)

    def end(self) -> None:
        """Undo them."""
        for fault in self._faults:
            match fault.kind:
                case "power-off":
                    self._site.on(fault.place)
                case "cable cut":
                    self._site.plug(fault.place)
                case "freeze":
                    self._signal(fault.place, signal.SIGCONT)

    def _signal(self, place: str, number: signal.Signals) -> None:
        node, words = (self._job_node, JOB) if place == _JOB else (place, _PROCESSES[place])
        machine = self._site[node]
        pids = machine.try_("pgrep", "-f", words).stdout.split()
        if pids:  # a watchdog may have ended what was frozen
            machine.try_("kill", f"-{number.name.removeprefix('SIG')}", *pids)
