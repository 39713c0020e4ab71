"""The Mesos engine: every command goes to the scheduler, wherever the leading one is."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sensorpi.common.cli.slowness import report_when_slow
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.engines.engine import BrokerSettings, BrokerState, JobState, Result, Stream
from sensorpi.mesos_node.engines.following import all_in_state, follow, restarted
from sensorpi.mesos_node.engines.scheduler_status import SchedulerStatus, scheduler_status
from sensorpi.mesos_node.notation.expressions import broker_ids
from sensorpi.mesos_node.scheduler.api_client import ApiClient, SchedulerUnavailable

_RUNNING, _STOPPED = "running", "stopped"


class MesosEngine:
    """An ``Engine``."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def list_brokers(self, brokers: str) -> Sequence[BrokerState]:
        """As the scheduler knows them."""
        known = self._status().brokers
        chosen = broker_ids(brokers, [each.id for each in known], {each.id: _place(each) for each in known})
        return [each for each in known if each.id in chosen]

    def add_brokers(self, brokers: str, settings: BrokerSettings) -> Result:
        """Have the scheduler declare them."""
        return Result(self._post("brokers/add", {"brokers": brokers, **_request(settings)}))

    def update_brokers(self, brokers: str, settings: BrokerSettings) -> Result:
        """Have the scheduler change their settings."""
        return Result(self._post("brokers/update", {"brokers": brokers, **_request(settings)}))

    def remove_brokers(self, brokers: str) -> Result:
        """Have the scheduler forget them."""
        return Result(self._post("brokers/remove", {"brokers": brokers}))

    def start_brokers(self, brokers: str, wait_s: float) -> Result:
        """Have the scheduler start them."""
        return self._wait_for(self._post("brokers/start", {"brokers": brokers}), _RUNNING, wait_s)

    def stop_brokers(self, brokers: str, wait_s: float) -> Result:
        """Have the scheduler stop them."""
        return self._wait_for(self._post("brokers/stop", {"brokers": brokers}), _STOPPED, wait_s)

    def restart_brokers(self, brokers: str, wait_s: float) -> Result:
        """Have the scheduler restart them. The limit for each is the scheduler's to keep."""
        names = self._post("brokers/restart", {"brokers": brokers, "timeout_s": wait_s})
        return follow(self._client, names, restarted, None)

    def broker_log(self, broker: str, stream: Stream) -> str:
        """What the broker's task has written, or its last one."""
        ids = broker_ids(broker, [each.id for each in self._status().brokers])
        if len(ids) != 1:
            raise UserError(f'"{broker}": expected one broker')
        return self._log(f"brokers/{ids[0]}", stream)

    def job(self) -> JobState:
        """As the scheduler knows it."""
        status = self._status()
        if status.job is None:
            raise UserError("the scheduler does not have a job yet")
        return JobState(status.job, status.spark)

    def start_job(self, wait_s: float) -> Result:
        """Have the scheduler start the job."""
        return self._wait_for(self._post("job/start", {}), _RUNNING, wait_s)

    def stop_job(self, wait_s: float) -> Result:
        """Have the scheduler stop the job."""
        return self._wait_for(self._post("job/stop", {}), _STOPPED, wait_s)

    def job_log(self, task: str, stream: Stream) -> str:
        """What the task has written, or its last one."""
        kind, _, rest = task.partition("-")
        if task != "job" and (kind != "spark" or re.fullmatch(r"[a-z0-9-]+", rest) is None):
            raise UserError(f'"{task}": expected job, or a daemon of Spark that `sensorpi job status` shows')
        return self._log(task.replace("-", "/", 1), stream)

    def _wait_for(self, names: tuple[str, ...], state: str, wait_s: float) -> Result:
        return follow(self._client, names, all_in_state(names, state), wait_s) if wait_s > 0 else Result(names)

    def _post(self, path: str, body: dict[str, Any]) -> tuple[str, ...]:
        """The names of the workloads that a command concerns."""
        return tuple(_answer(lambda: self._client.post(f"/v1/{path}", body))["workloads"])

    def _status(self) -> SchedulerStatus:
        return scheduler_status(_answer(lambda: self._client.get("/v1/status")))

    def _log(self, path: str, stream: Stream) -> str:
        text: str = _answer(lambda: self._client.get(f"/v1/{path}/log", file=stream.value))["text"]
        return text


def _place(broker: BrokerState) -> dict[str, str]:
    """The attributes of the broker's host, with ``hostname`` among them."""
    if broker.task is not None:
        attributes: Mapping[str, str] = broker.task.details.attributes if broker.task.details else {}
        return {**attributes, "hostname": broker.task.host}
    data_host = broker.details.data_host if broker.details else None
    return {"hostname": data_host} if data_host else {}


def _request(settings: BrokerSettings) -> dict[str, Any]:
    """The settings as the scheduler's API takes them: null is the default."""
    values = asdict(settings)
    reset = values.pop("reset")
    return {name: value for name, value in values.items() if value is not None} | dict.fromkeys(reset)


def _answer(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        with report_when_slow("the scheduler"):
            return ask()
    except SchedulerUnavailable as error:
        raise UserError(str(error)) from None
