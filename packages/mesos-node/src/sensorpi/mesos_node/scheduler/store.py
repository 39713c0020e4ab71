"""Stores the scheduler's state in one node of ZooKeeper, and never overwrites what another scheduler has written."""

import logging
import re
import time

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, KazooException, NodeExistsError, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

from sensorpi.common.daemon.untrusted import NOT_AS_EXPECTED
from sensorpi.mesos_node.scheduler.core.model import JOB, State, Workload, state_from_json

_log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0

#: Mesos reports the tasks of a framework within this time after it has subscribed.
_REPORT_S = 10.0

#: The id that Mesos gave to the framework, in a state that cannot be read as a whole.
_FRAMEWORK_ID = re.compile(rb'"framework_id": ?"([0-9a-f-]{36}-[0-9]{4,10})"')

#: After these it is not known whether a write has arrived.
_NO_ANSWER = (KazooException, KazooTimeoutError)


class StoreUnavailable(Exception):
    """ZooKeeper does not answer: retry."""


class StoreConflict(Exception):
    """Another scheduler has written the state: it is the leader now."""


class Store:
    """The state at ``path``, as this process last read or wrote it."""

    def __init__(self, zookeeper: KazooClient, path: str = "/sensorpi/scheduler/state") -> None:
        """``zookeeper`` belongs to the caller, which starts and stops it."""
        self._zookeeper = zookeeper
        self._path = path
        self._stored = ""
        self._version = -1

    def load(self) -> State:
        """The stored state; an empty one when there is none, or when it is damaged. Raises ``StoreUnavailable``."""
        try:
            content, stat = self._zookeeper.get_async(self._path).get(timeout=_TIMEOUT_S)
        except NoNodeError:
            self._stored, self._version = "", -1
            return State()
        except _NO_ANSWER as error:
            raise StoreUnavailable(_text(error)) from None
        self._stored, self._version = "", stat.version
        try:
            text = content.decode()
            state = state_from_json(text)
        except NOT_AS_EXPECTED as error:
            return self._set_aside(content, error)
        self._stored = text
        return state

    def _set_aside(self, content: bytes, error: Exception) -> State:
        """Keep a damaged state under another name; return an empty one, of the same framework if that can be read.

        Then Mesos reports that framework's tasks, whose ids tell what they are, and they are taken over.
        """
        aside = f"{self._path}.damaged"
        try:
            if self._zookeeper.exists_async(aside).get(timeout=_TIMEOUT_S) is None:
                self._zookeeper.create_async(aside, content, makepath=True).get(timeout=_TIMEOUT_S)
            else:
                self._zookeeper.set_async(aside, content).get(timeout=_TIMEOUT_S)
        except _NO_ANSWER as failure:
            raise StoreUnavailable(_text(failure)) from None
        found = _FRAMEWORK_ID.search(content)
        _log.error(
            "The state in ZooKeeper at %s was damaged (%s) and is now at %s. Starting with what cluster.toml declares: "
            "settings and brokers that commands have added are lost; %s",
            self._path,
            _text(error),
            aside,
            "tasks that run are taken over" if found else "tasks that run are not known and must be ended by hand",
        )
        # An offer may come before Mesos reports the job that runs. Brokers have ports, which it does not offer twice.
        job = Workload(JOB, active=True, retry_s=time.time() + _REPORT_S)
        return State(None if found is None else found[1].decode(), {JOB: job}, declared=[JOB])

    def save(self, state: State) -> None:
        """Store the state if it has changed. Raises ``StoreUnavailable`` or ``StoreConflict``."""
        text = state.to_json()
        if text == self._stored:
            return
        try:
            self._write(text)
        except (BadVersionError, NodeExistsError):
            self._accept_own_write(text)
        except _NO_ANSWER as error:
            raise StoreUnavailable(_text(error)) from None

    def _write(self, text: str) -> None:
        if self._version < 0:
            self._zookeeper.create_async(self._path, text.encode(), makepath=True).get(timeout=_TIMEOUT_S)
            self._stored, self._version = text, 0
        else:
            write = self._zookeeper.set_async(self._path, text.encode(), version=self._version)
            self._stored, self._version = text, write.get(timeout=_TIMEOUT_S).version

    def _accept_own_write(self, text: str) -> None:
        """A write whose answer was lost shows as a new version with our text; any other text is a conflict."""
        try:
            content, stat = self._zookeeper.get_async(self._path).get(timeout=_TIMEOUT_S)
        except _NO_ANSWER as error:
            raise StoreUnavailable(_text(error)) from None
        if content != text.encode():
            raise StoreConflict(f"{self._path} was written by another scheduler")
        self._stored, self._version = text, stat.version


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
