"""Asks Spark's master and worker for their state, at the web pages that they serve on loopback."""

import http.client
import json
from typing import Any

from sensorpi.mesos_node.launcher import Probe, ProbeError


def master_probe(page: int, url: str, timeout_s: float = 5.0) -> Probe:
    """A probe of the master whose page is at port ``page``; it must be the one at ``url``."""

    def probe() -> str:
        state = _state(page, timeout_s)
        if state.get("url") != url:
            raise ProbeError(f"port {page} is the page of another program, or of {state.get('url')}")
        if state.get("status") != "ALIVE":
            raise ProbeError(f"its status is {state.get('status')}")
        return f"{state['aliveworkers']} workers, {len(state['activeapps'])} job"

    return probe


def worker_probe(page: int, url: str, timeout_s: float = 5.0) -> Probe:
    """A probe of the worker whose page is at port ``page``; it must have registered with the master at ``url``."""

    def probe() -> str:
        state = _state(page, timeout_s)
        if state.get("masterurl") != url:
            raise ProbeError(f"waiting for Spark's master at {url.removeprefix('spark://')}")
        executors = state.get("executors") or []
        return f"{len(executors)} executors, of {url}"

    return probe


def _state(page: int, timeout_s: float) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", page, timeout=timeout_s)
    try:
        connection.request("GET", "/json/")
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ProbeError(f"127.0.0.1:{page}: {error}") from None
    finally:
        connection.close()
    if not isinstance(answer, dict):
        raise ProbeError(f"127.0.0.1:{page} is the page of another program")
    return answer
