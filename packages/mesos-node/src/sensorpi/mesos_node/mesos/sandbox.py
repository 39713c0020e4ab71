"""Reads the files that a task leaves in its sandbox, such as stdout and stderr, through its agent."""

import codecs
import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from sensorpi.common.errors import UserError

#: An agent never returns more than 64 KiB at once.
_PAGE_BYTES = 65536
_TIMEOUT_S = 10.0


class Sandbox:
    """The folder of one task on its agent."""

    def __init__(self, agent: str, directory: str) -> None:
        """``agent`` is its "host:port", from an offer's ``url``; ``directory`` as ``find_sandbox`` gives it."""
        self.agent = agent
        self.directory = directory

    def files(self) -> dict[str, int]:
        """The files' names with their sizes in bytes. Raises ``UserError`` when the agent does not answer."""
        listed = _get(self.agent, "/files/browse", {"path": self.directory})
        return {str(entry["path"]).rpartition("/")[2]: int(entry["size"]) for entry in listed}

    def size_bytes(self, name: str) -> int:
        """The file's size. Raises ``UserError`` when it does not exist."""
        return int(self._read(name, -1)["offset"])

    def read(self, name: str, offset: int = 0) -> Iterator[str]:
        """The text of the file from byte ``offset`` to its present end, in pieces.

        Raises ``UserError`` when it does not exist, or the agent does not answer.
        """
        end = self.size_bytes(name)
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")  # a page can end within a character
        while offset < end:
            data = self._read(name, offset, min(_PAGE_BYTES, end - offset))["data"]
            if not data:  # it has been truncated
                return
            content = str(data).encode("utf-8", errors="surrogateescape")
            yield decoder.decode(content)
            offset += len(content)

    def tail(self, name: str, longest_bytes: int = 16384) -> str:
        """The last lines of the file, at most ``longest_bytes``."""
        start = max(0, self.size_bytes(name) - longest_bytes)
        text = "".join(self.read(name, start))
        return text if start == 0 else text.partition("\n")[2]

    def _read(self, name: str, offset: int, length: int | None = None) -> dict[str, Any]:
        parameters: dict[str, str | int] = {"path": f"{self.directory}/{name}", "offset": offset}
        if length is not None:
            parameters["length"] = length
        page: dict[str, Any] = _get(self.agent, "/files/read", parameters)
        return page


def find_sandbox(agent: str, framework_id: str, task_id: str) -> Sandbox:
    """The sandbox of a task, running or ended, as long as the agent at "host:port" keeps it.

    The executor of a task that is a plain command has the task's id. Raises ``UserError`` when the agent does not know
    the task or does not answer.
    """
    state = _get(agent, "/state")
    for framework in [*state.get("frameworks", []), *state.get("completed_frameworks", [])]:
        if framework["id"] == framework_id:
            for executor in [*framework.get("executors", []), *reversed(framework.get("completed_executors", []))]:
                if executor["id"] == task_id:
                    return Sandbox(agent, executor["directory"])
    raise UserError(f"Mesos agent {agent} has no sandbox of task {task_id}: it ran elsewhere, or it was removed")


def _get(agent: str, path: str, parameters: Mapping[str, str | int] | None = None) -> Any:
    parameters = parameters or {}
    try:
        connection = http.client.HTTPConnection(agent, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", f"{path}?{urlencode(parameters)}" if parameters else path)
            response = connection.getresponse()
            # A log can hold any bytes, and offsets count bytes.
            body = response.read().decode("utf-8", errors="surrogateescape")
        finally:
            connection.close()
        if response.status == 404:
            raise UserError(f"Mesos agent {agent} has no {parameters.get('path', path)}")
        if response.status != 200:
            raise UserError(f"Mesos agent {agent} answers {response.status} to {path}: {body.strip()}")
        return json.loads(body)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UserError(f"Mesos agent {agent} does not answer: {error or type(error).__name__}") from error
