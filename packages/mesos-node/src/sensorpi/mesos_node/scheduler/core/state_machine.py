"""The scheduler's decisions: events, commands and the time go in, calls to Mesos come out. No threads, no I/O.

The caller keeps ``state`` safe before it makes the calls that an input gave, so that neither a launch nor an
acknowledgement is ever ahead of what would be remembered.
"""

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sensorpi.common.cluster.model import Cluster
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.mesos.calls import Call, accept, decline, kill, reconcile, revive, suppress
from sensorpi.mesos_node.scheduler.core import rolling
from sensorpi.mesos_node.scheduler.core.model import JOB, RUNNING, UNREACHABLE, State, Task, Workload, broker_name
from sensorpi.mesos_node.scheduler.core.needs import Needs, needs_of, spark_daemons
from sensorpi.mesos_node.scheduler.core.offers import Bundle, bundles
from sensorpi.mesos_node.scheduler.core.placement import Launch, allowed_host, place
from sensorpi.mesos_node.scheduler.core.task_info import KILL_GRACE_S, Programs, task_info
from sensorpi.mesos_node.scheduler.core.updates import give_up, update

_log = logging.getLogger(__name__)

#: What nobody wants now is not offered again for so long, unless we ask (REVIVE) or it grows.
REFUSE_S = 120.0

#: A task that is on its way or away is asked after this often, one that runs is looked at rarely.
_ASK_UNSETTLED_S = 30.0
_ASK_SETTLED_S = 600.0

#: A kill that has had no answer is sent again.
_KILL_AGAIN_S = KILL_GRACE_S + 30.0


class Core:
    """The state machine around ``state``, which it alone changes."""

    def __init__(
        self,
        cluster: Cluster,
        state: State,
        programs: Programs | None = None,
        unique: Callable[[], str] = lambda: secrets.token_hex(4),
    ) -> None:
        """``unique`` makes the end of each task's id, in hexadecimal digits."""
        self.cluster = cluster
        self.state = state
        self.subscribed = False
        self.reasons: dict[str, str] = {}
        self.agents: dict[str, Bundle] = {}  # as last offered, by host name
        self._programs = programs or Programs()
        self._unique = unique
        self._suppressed = False
        self._demand: object = None
        self._reconcile_s = 0.0
        self._in_sync: str | None = None  # "" when all replicas are, else what is not; None: not asked

    def declare(self) -> None:
        """Bring in what cluster.toml declares and was never brought in: its workers' brokers, and the job.

        Spark's daemons are no command's business: they are there for as long as cluster.toml asks for them.
        """
        names = [broker_name(broker_id) for broker_id in range(len(self.cluster.workers))]
        for name in [*names, JOB]:
            if name not in self.state.declared:
                self.state.declared.append(name)
                self.state.workloads.setdefault(name, Workload(name, active=True))
        daemons = spark_daemons(self.cluster)
        for workload in [each for each in self.state.workloads.values() if each.is_spark_daemon]:
            if workload.name not in daemons and workload.task is None:
                del self.state.workloads[workload.name]
        for name in daemons:
            self.state.workloads.setdefault(name, Workload(name))
        for workload in self.state.workloads.values():
            if workload.is_spark_daemon:
                workload.active = workload.name in daemons

    def needs(self) -> dict[str, Needs]:
        """What each workload needs; one whose settings cannot be read is left out, with its reason."""
        result = {}
        for workload in self._in_order():
            try:
                result[workload.name] = needs_of(workload, self.cluster)
            except UserError as error:
                self.reasons[workload.name] = str(error)
        return result

    def handle(self, event: Mapping[str, Any], now_s: float) -> list[Call]:
        """Take one event of Mesos; return the calls to make."""
        kind = event["type"]
        if kind == "SUBSCRIBED":
            return self._on_subscribed(event["subscribed"], now_s)
        if kind == "OFFERS":
            return self._on_offers(event["offers"].get("offers", []), now_s)
        if kind == "UPDATE":
            return update(self.state, event["update"]["status"], self.needs(), now_s) + self.tick(now_s)
        return self.tick(now_s)  # RESCIND: an offer is answered at once, so a launch on it comes back as DROPPED

    def disconnected(self) -> None:
        """The subscription has ended: no call can be made until the next."""
        self.subscribed = False

    def framework_removed(self) -> None:
        """Mesos has ended all tasks and will not know the framework's id again."""
        self.state.framework_id = None
        self.state.orphans.clear()
        for workload in self.state.workloads.values():
            workload.task = None

    def told_in_sync(self, what_is_not: str, now_s: float) -> list[Call]:
        """Take Kafka's answer to what ``wants_in_sync`` asked for; "" when every replica is in sync."""
        self._in_sync = what_is_not
        return self.tick(now_s)

    @property
    def wants_in_sync(self) -> bool:
        """Whether a rolling restart waits to hear whether all replicas are in sync."""
        return rolling.wants_in_sync(self.state)

    def tick(self, now_s: float) -> list[Call]:
        """Do what has become due; return the calls to make."""
        rolling.advance(self.state, self._in_sync, now_s)
        self._in_sync = None
        if not self.subscribed:
            return []
        return [*self._kills(now_s), *self._reconciliation(now_s), *self._flow_of_offers(now_s)]

    def next_s(self, now_s: float) -> float:
        """When ``tick`` has something to do next, if nothing happens before."""
        times = [now_s + _ASK_SETTLED_S]
        if self.state.restart is not None:
            times.append(self.state.restart.deadline_s)
        if self.subscribed:
            times.append(self._reconcile_s)
            for workload, needs in self._due(None):
                times += [each for each in (workload.retry_s, _sticky_until(workload, needs)) if each > now_s]
            times += [task.kill_sent_s + _KILL_AGAIN_S for task in self._ending() if task.kill_sent_s is not None]
        return max(now_s, min(times))

    def _on_subscribed(self, subscribed: Mapping[str, Any], now_s: float) -> list[Call]:
        framework_id = subscribed["framework_id"]["value"]
        if self.state.framework_id not in (None, framework_id):
            _log.warning("Mesos knows us as %s, not as %s", framework_id, self.state.framework_id)
        self.state.framework_id = framework_id
        self.subscribed = True
        self._suppressed, self._demand = False, None
        self._reconcile_s = 0.0
        for workload in self.state.workloads.values():
            if workload.task is not None and workload.task.kill_sent_s is not None:
                workload.task.kill_sent_s = min(workload.task.kill_sent_s, now_s - _KILL_AGAIN_S)
        return self.tick(now_s)

    def _on_offers(self, offers: Sequence[Mapping[str, Any]], now_s: float) -> list[Call]:
        offered = bundles(offers)
        asked = self._meet(offered)
        due = self._due(now_s)
        for workload, needs in self._due(None):  # what waits for its next try keeps its room at home
            for bundle in offered:
                if bundle.hostname == needs.home and workload.retry_s > now_s:
                    bundle.take(needs.cpus, needs.mem_mb, needs.ports)
        launches, reasons = place(self.state, due, offered, now_s, self._unique)
        for workload, _needs in due:
            self.reasons.pop(workload.name, None)
        self.reasons.update(reasons)
        calls = [self._answer(bundle, [each for each in launches if each.bundle is bundle]) for bundle in offered]
        return [*asked, *calls, *self.tick(now_s)]

    def _meet(self, offered: Sequence[Bundle]) -> list[Call]:
        """Note who offers. A host whose task was away and that offers again must know what became of it."""
        calls = []
        for bundle in offered:
            self.agents[bundle.hostname] = bundle
            for workload in self.state.workloads.values():
                task = workload.task
                if task is None or task.state != UNREACHABLE or task.hostname != bundle.hostname:
                    continue
                if task.agent_id == bundle.agent_id:
                    calls.append(reconcile([(task.id, task.agent_id)]))
                else:  # a host has one agent: the old one, with its tasks, is no more
                    give_up(self.state, workload)
        return calls

    def _answer(self, bundle: Bundle, launches: Sequence[Launch]) -> Call:
        if not launches:
            return decline(bundle.offer_ids, REFUSE_S)
        for each in launches:
            each.workload.task = each.task
            _log.info("%s is launched on %s as %s", each.workload.name, bundle.hostname, each.task.id)
        infos = [task_info(each.workload, each.needs, each.task, bundle, self._programs) for each in launches]
        return accept(bundle.offer_ids, infos)

    def _in_order(self) -> list[Workload]:
        """The brokers by id, voters among them first; Spark's daemons; then the job, which can go anywhere."""
        others = [each for each in self.state.workloads.values() if each.broker_id is None]
        return [*self.state.brokers(), *sorted(others, key=lambda each: each.name == JOB)]

    def _due(self, now_s: float | None) -> list[tuple[Workload, Needs]]:
        """Workloads that want a task and may have it by now (or ever, for None)."""
        needs = self.needs()
        return [
            (workload, needs[workload.name])
            for workload in self._in_order()
            if workload.active
            and workload.task is None
            and workload.name in needs
            and (now_s is None or workload.retry_s <= now_s)
        ]

    def _should_end(self, workload: Workload, task: Task, needs: Needs | None) -> bool:
        if not workload.active or rolling.must_end(self.state, workload):
            return True
        if workload.broker_id is not None or needs is None:
            return False
        # What computes keeps nothing in its process: a change of cluster.toml is carried out at once.
        return task.hostname != (needs.home or task.hostname) or task.needs not in ("", needs.fingerprint)

    def _ending(self) -> list[Task]:
        """The tasks that should end and can be told so."""
        present = [(each, each.task) for each in self.state.workloads.values() if each.task is not None]
        needs = self.needs()
        return [
            task
            for each, task in present
            if task.state != UNREACHABLE and self._should_end(each, task, needs.get(each.name))
        ]

    def _kills(self, now_s: float) -> list[Call]:
        calls = []
        for task in self._ending():
            if task.kill_sent_s is None or now_s >= task.kill_sent_s + _KILL_AGAIN_S:
                task.kill_sent_s = now_s
                calls.append(kill(task.id, task.agent_id, KILL_GRACE_S))
        return calls

    def _reconciliation(self, now_s: float) -> list[Call]:
        tasks = [each.task for each in self.state.workloads.values() if each.task is not None]
        unsettled = any(task.state != RUNNING for task in tasks)
        if unsettled:
            self._reconcile_s = min(self._reconcile_s, now_s + _ASK_UNSETTLED_S)
        if now_s < self._reconcile_s:
            return []
        self._reconcile_s = now_s + (_ASK_UNSETTLED_S if unsettled else _ASK_SETTLED_S)
        explicit = [reconcile([(task.id, task.agent_id) for task in tasks])] if tasks else []
        return [*explicit, reconcile()]

    def _flow_of_offers(self, now_s: float) -> list[Call]:
        """SUPPRESS when nothing is wanted, REVIVE when what is wanted has changed."""
        wanted = [
            (each.name, allowed_host(each, needs, now_s), needs.fingerprint, needs.constraints.items())
            for each, needs in self._due(now_s)
        ]
        away = [each.name for each in self.state.workloads.values() if each.task and each.task.state == UNREACHABLE]
        demand = repr((wanted, away)) if wanted or away else None
        grown, self._demand = demand is not None and demand != self._demand, demand
        if demand is None and not self._suppressed:
            self._suppressed = True
            return [suppress()]
        if grown:
            self._suppressed = False
            return [revive()]
        return []


def _sticky_until(workload: Workload, needs: Needs) -> float:
    return workload.last_host_s + needs.stickiness_period_s if workload.last_host is not None else 0.0
