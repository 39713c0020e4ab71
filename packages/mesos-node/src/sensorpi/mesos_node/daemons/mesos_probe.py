"""Asks a Mesos master or agent on this machine whether it serves."""

import http.client

from sensorpi.mesos_node.launcher import Probe, ProbeError

#: A healthy one answers 200, at the address that the other nodes use.
MASTER_PATH = "/master/health"
AGENT_PATH = "/slave(1)/health"


def mesos_probe(address: str, port: int, path: str, timeout_s: float = 5.0) -> Probe:
    """A probe that makes one HTTP request."""

    def probe() -> str:
        connection = http.client.HTTPConnection(address, port, timeout=timeout_s)
        try:
            connection.request("GET", path)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise ProbeError(f"{address}:{port}: {error}") from None
        finally:
            connection.close()
        if status != http.HTTPStatus.OK:
            raise ProbeError(f"{address}:{port}{path} answers {status}")
        return f"answers at {address}:{port}"

    return probe
