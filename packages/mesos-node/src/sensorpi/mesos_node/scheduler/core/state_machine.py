"""The scheduler's state machine: events, commands and the time go in, calls to Mesos come out. No threads, no I/O.

The caller stores ``state`` before it makes the calls that an input returned, so that neither a launch nor an
acknowledgement is ever ahead of what would be remembered.
"""

import logging
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sensorpi.common.cluster.model import Cluster
from sensorpi.mesos_node.mesos.calls import Call, accept, decline, reconcile
from sensorpi.mesos_node.scheduler.core import operations, rolling
from sensorpi.mesos_node.scheduler.core.model import JOB, UNREACHABLE, State
from sensorpi.mesos_node.scheduler.core.needs import NeedsTable, fits_nowhere, needs_table
from sensorpi.mesos_node.scheduler.core.offers import Bundle, bundles
from sensorpi.mesos_node.scheduler.core.periodic import (
    OfferFlow,
    Reconciliation,
    Silence,
    kills,
    next_kill_s,
    repeat_kills,
)
from sensorpi.mesos_node.scheduler.core.placement import Launch, place, sticky_until_s, waiting
from sensorpi.mesos_node.scheduler.core.task_info import Programs, task_info
from sensorpi.mesos_node.scheduler.core.updates import give_up, unreachable, update

_log = logging.getLogger(__name__)

#: What nothing needs now is not offered again for this long, unless we ask (REVIVE) or it grows.
REFUSE_S = 120.0

_LONGEST_WAIT_S = 600.0


class Core:
    """The state machine. Only its inputs change its state; its answers to questions change nothing.

    Each input first computes what the workloads need, once, and passes it on as a ``NeedsTable``.
    """

    def __init__(
        self,
        cluster: Cluster,
        state: State,
        programs: Programs | None = None,
        unique: Callable[[], str] = lambda: secrets.token_hex(4),
    ) -> None:
        """``state`` belongs to the core from now on; ``unique`` makes the hexadecimal end of each task's id."""
        self._cluster = cluster
        self._state = state
        self._programs = programs or Programs()
        self._unique = unique
        self._needs = needs_table(state, cluster)
        self._refusals: dict[str, str] = {}  # by workload: why the last offers were not used for it
        self._agents: dict[str, str] = {}  # by host: the "host:port" of its agent, once it has made an offer
        self._subscribed = False
        self._offer_flow = OfferFlow()
        self._reconciliation = Reconciliation()
        self._silence = Silence((), math.inf)

    # Inputs.

    def declare(self) -> None:
        """Take in what cluster.toml declares."""
        operations.declare(self._state, self._cluster)
        self._read_needs()

    def handle(self, event: Mapping[str, Any], now_s: float) -> list[Call]:
        """Take one event of Mesos; return the calls to make."""
        needs = self._read_needs()
        calls: list[Call] = []
        match event["type"]:  # RESCIND: an offer is answered at once, so a launch on it comes back as DROPPED
            case "SUBSCRIBED":
                self._on_subscribed(event["subscribed"], now_s)
            case "OFFERS":
                calls = self._on_offers(event["offers"].get("offers", []), needs, now_s)
            case "UPDATE":
                self._silence.heard_of(event["update"]["status"]["task_id"]["value"])
                calls = update(self._state, event["update"]["status"], needs, now_s)
        return [*calls, *self._advance(needs, now_s)]

    def command(self, name: str, given: Mapping[str, Any], now_s: float) -> tuple[list[str], list[Call]]:
        """Do what an operator's command asks for; return the names of the workloads it is about, and the calls to make.

        ``name`` and ``given`` are as ``operations.perform`` takes them. Raises ``UserError`` for a mistake, and then
        nothing has changed.
        """
        names = operations.perform(self._state, self._cluster, name, given, now_s)
        for each in names:
            self._refusals.pop(each, None)
        return names, self.tick(now_s)

    def told_in_sync(self, what_is_not: str, now_s: float) -> list[Call]:
        """Take Kafka's answer to what ``wants_in_sync`` asked for ("": every replica is in sync); return the calls."""
        return self._advance(self._read_needs(), now_s, what_is_not)

    def tick(self, now_s: float) -> list[Call]:
        """Do what has become due; return the calls to make."""
        return self._advance(self._read_needs(), now_s)

    def disconnected(self) -> None:
        """The subscription has ended: no call can be made until the next."""
        self._subscribed = False

    def framework_removed(self) -> None:
        """Mesos has ended all tasks and does not accept the framework's id any more."""
        self._state.framework_id = None
        self._state.orphans.clear()
        for workload in self._state.workloads.values():
            workload.task = None

    # Questions.

    @property
    def state(self) -> State:
        """The state, to be stored and shown; only the core changes it."""
        return self._state

    @property
    def needs(self) -> NeedsTable:
        """What the workloads need, as of the last input."""
        return self._needs

    @property
    def agents(self) -> Mapping[str, str]:
        """The "host:port" of each agent that has made an offer, by host name."""
        return MappingProxyType(self._agents)

    @property
    def wants_in_sync(self) -> bool:
        """Whether a rolling restart needs to know whether all replicas are in sync."""
        return rolling.wants_in_sync(self._state)

    def why_waiting(self, name: str) -> str:
        """Why that workload has no task yet; "" when nothing is known to be in its way."""
        return self._needs.unreadable.get(name) or self._refusals.get(name, "")

    def what_fits_nowhere(self) -> list[str]:
        """A line for each wanted workload that cannot run beside the others on the workers of cluster.toml."""
        wanted = [
            (each, self._needs.by_name[each.name])
            for each in self._state.workloads.values()
            if each.active and each.name in self._needs.by_name
        ]
        return fits_nowhere(wanted, {each.name: (each.cpus, float(each.memory_mb)) for each in self._cluster.workers})

    def next_s(self, now_s: float) -> float:
        """When ``tick`` has something to do next, if nothing happens before."""
        times = [now_s + _LONGEST_WAIT_S]
        if self._state.restart is not None:
            times.append(self._state.restart.deadline_s)
        if self._subscribed:
            times += [self._reconciliation.next_s, next_kill_s(self._state, self._needs)]
            times.append(self._silence.lost_job_s(self._state))
            for workload, needs in waiting(self._state, self._needs):
                times += [each for each in (workload.retry_s, sticky_until_s(workload, needs)) if each > now_s]
        return max(now_s, min(times))

    # What the inputs do.

    def _read_needs(self) -> NeedsTable:
        self._needs = needs_table(self._state, self._cluster)
        return self._needs

    def _advance(self, needs: NeedsTable, now_s: float, in_sync: str | None = None) -> list[Call]:
        rolling.advance(self._state, in_sync, now_s)
        if not self._subscribed:
            return []
        if now_s >= self._silence.lost_job_s(self._state):
            unreachable(self._state, self._state.workloads[JOB])
        return [
            *kills(self._state, needs, now_s),
            *self._reconciliation.calls(self._state, self._silence, now_s),
            *self._offer_flow.calls(self._state, needs, now_s),
        ]

    def _on_subscribed(self, subscribed: Mapping[str, Any], now_s: float) -> None:
        framework_id = subscribed["framework_id"]["value"]
        if self._state.framework_id not in (None, framework_id):
            _log.warning("Mesos knows this framework as %s, not as %s", framework_id, self._state.framework_id)
        self._state.framework_id = framework_id
        self._subscribed = True
        self._offer_flow = OfferFlow()
        self._reconciliation = Reconciliation()
        task_ids = [each.task.id for each in self._state.workloads.values() if each.task is not None]
        self._silence = Silence(task_ids, now_s + self._cluster.mesos.job_agent_timeout_s)
        repeat_kills(self._state, now_s)

    def _on_offers(self, offers: Sequence[Mapping[str, Any]], needs: NeedsTable, now_s: float) -> list[Call]:
        offered = bundles(offers)
        asked = [call for bundle in offered for call in self._meet(bundle)]
        due = []
        for workload, wanted in waiting(self._state, needs):
            if workload.retry_s <= now_s:
                due.append((workload, wanted))
                continue
            for bundle in offered:  # what waits for its next try keeps its room at home
                if bundle.hostname == wanted.home:
                    bundle.take(wanted.cpus, wanted.mem_mb, wanted.ports)
        launches, refusals = place(self._state, due, offered, now_s, self._unique)
        for workload, _wanted in due:
            self._refusals.pop(workload.name, None)
        self._refusals.update(refusals)
        calls = [self._answer(bundle, [each for each in launches if each.bundle is bundle]) for bundle in offered]
        return [*asked, *calls]

    def _meet(self, bundle: Bundle) -> list[Call]:
        """Note the agent. A host whose task was unreachable and that makes an offer must know what became of it."""
        self._agents[bundle.hostname] = bundle.agent
        calls = []
        for workload in self._state.workloads.values():
            task = workload.task
            if task is None or task.state != UNREACHABLE or task.hostname != bundle.hostname:
                continue
            if task.agent_id == bundle.agent_id:
                calls.append(reconcile([(task.id, task.agent_id)]))
            else:  # a host has one agent: the old one is gone, with its tasks
                give_up(self._state, workload)
        return calls

    def _answer(self, bundle: Bundle, launches: Sequence[Launch]) -> Call:
        if not launches:
            return decline(bundle.offer_ids, REFUSE_S)
        for each in launches:
            each.workload.task = each.task
            _log.info("%s is launched on %s as %s", each.workload.name, bundle.hostname, each.task.id)
        infos = [task_info(each.workload, each.needs, each.task, bundle, self._programs) for each in launches]
        return accept(bundle.offer_ids, infos)
