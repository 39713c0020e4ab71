"""A client of the scheduler's HTTP API, which finds the leader by itself."""

import http.client
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from sensorpi.common.cluster.model import Cluster
from sensorpi.common.cluster.secrets import SCHEDULER_API, password
from sensorpi.common.errors import UserError

_TIMEOUT_S = 20.0


class SchedulerUnavailable(Exception):
    """No scheduler answers now; the text says at which addresses it was tried."""


class ApiClient:
    """One cluster's scheduler."""

    def __init__(self, addresses: Sequence[str], port: int, token: str) -> None:
        """``addresses`` are those of all schedulers; only the leader answers."""
        self._addresses = addresses
        self._port = port
        self._token = token

    def get(self, path: str, **parameters: str) -> dict[str, Any]:
        """The answer to a question. Raises ``UserError`` for a mistake, ``SchedulerUnavailable`` without an answer."""
        return self._ask("GET", f"{path}?{urlencode(parameters)}" if parameters else path, None)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a command. Raises as ``get`` does."""
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        reasons = []
        for address in self._addresses:
            try:
                status, answer = self._request(address, method, path, body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                reasons.append(f"{address} port {self._port}: {error or type(error).__name__}")
                continue
            if status == 200:
                return answer
            raise UserError(f"{answer.get('error', status)}")
        raise SchedulerUnavailable(f"no scheduler answers ({'; '.join(reasons)}): does sensorpi-scheduler run there?")

    def _request(self, address: str, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection(address.strip("[]"), self._port, timeout=_TIMEOUT_S)
        try:
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
            try:
                answer = json.loads(text)
            except ValueError:  # the HTTP server itself has refused it, or another program answers
                raise ValueError(f"answers {response.status} {response.reason} without JSON") from None
            return response.status, answer if isinstance(answer, dict) else {}
        finally:
            connection.close()


def api_client(cluster: Cluster, key: bytes) -> ApiClient:
    """The client for a cluster with that key."""
    token = password(key, SCHEDULER_API)
    addresses = [cluster.connect_address(node) for node in cluster.with_role("mesos-master")]
    return ApiClient(addresses, cluster.mesos.api_port, token)
