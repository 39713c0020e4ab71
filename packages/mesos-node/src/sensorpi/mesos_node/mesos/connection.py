"""POST requests to the scheduler API of a Mesos master, each over its own connection."""

import base64
import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sensorpi.mesos_node.mesos.errors import NotLeaderError, UnreachableError, error_of

PATH = "/api/v1/scheduler"

#: A master that is not the leader redirects to the leader, or to itself while it does not know it.
_MOST_REDIRECTS = 2


@dataclass(frozen=True)
class Answer:
    """The beginning of a master's answer; ``sock`` can be shut down from any thread to end a blocked read."""

    address: str
    response: http.client.HTTPResponse
    sock: socket.socket
    connection: http.client.HTTPConnection

    @property
    def stream_id(self) -> str | None:
        """The header that goes with every call of the subscription that this answer begins."""
        return self.response.getheader("Mesos-Stream-Id")

    def close(self) -> None:
        """Close the connection."""
        self.response.close()
        self.connection.close()


class Poster:
    """Posts JSON as one framework, with its credentials."""

    def __init__(self, credentials: tuple[str, str] | None = None, timeout_s: float = 10.0) -> None:
        """``credentials`` are principal and secret; ``timeout_s`` holds for the connection and each read."""
        self._timeout_s = timeout_s
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if credentials is not None:
            token = base64.b64encode(":".join(credentials).encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"

    def post(self, address: str, call: dict[str, Any], stream_id: str | None = None) -> Answer:
        """The answer with status 200 or 202 of the master at ``address``; the caller closes it.

        Raises the ``MesosError`` of any other answer, and ``UnreachableError`` without one.
        """
        return self._post(address, PATH, call, stream_id)

    def post_to_leader(self, address: str, call: dict[str, Any]) -> Answer:
        """As ``post``, but follow the redirects of a master that is not the leader.

        Raises ``NotLeaderError`` after too many redirects, which happens until a leader is elected.
        """
        path = PATH
        for _redirect in range(_MOST_REDIRECTS):
            try:
                return self._post(address, path, call, None)
            except NotLeaderError as error:
                try:
                    target = urlsplit(error.location)
                except ValueError:  # brackets that do not match
                    raise error from None
                if not target.netloc:
                    raise
                address, path = target.netloc, target.path or PATH
        return self._post(address, path, call, None)

    def _post(self, address: str, path: str, call: dict[str, Any], stream_id: str | None) -> Answer:
        headers = self._headers | ({"Mesos-Stream-Id": stream_id} if stream_id else {})
        try:
            connection = http.client.HTTPConnection(address, timeout=self._timeout_s)
        except http.client.InvalidURL as error:
            raise UnreachableError(f"{address!r} is not the address of a Mesos master: {error}") from None
        try:
            connection.connect()
            sock = connection.sock
            connection.request("POST", path, json.dumps(call, separators=(",", ":")), headers)
            response = connection.getresponse()
            if response.status in (200, 202):
                return Answer(address, response, sock, connection)
            text = response.read(4096).decode("utf-8", errors="replace")
        except (OSError, http.client.HTTPException, UnicodeError) as error:  # UnicodeError: not a host name
            connection.close()
            raise UnreachableError(f"Mesos master {address}: {error or type(error).__name__}") from error
        location = response.getheader("Location", "")
        response.close()
        connection.close()
        raise error_of(address, response.status, text, location)
