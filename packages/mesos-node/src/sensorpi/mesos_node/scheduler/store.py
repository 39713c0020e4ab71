"""Keeps the scheduler's state in ZooKeeper: one node, written only by whoever has seen what it replaces."""

import logging

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, KazooException, NodeExistsError, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

from sensorpi.mesos_node.scheduler.core.model import State, state_from_json

_log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0

#: ZooKeeper is away: whether a write arrived is not known.
_AWAY = (KazooException, KazooTimeoutError)


class StoreAway(Exception):
    """ZooKeeper does not answer: try again."""


class NotOurs(Exception):
    """Somebody else has written the state: he leads now."""


class Store:
    """The state at ``path``, as this process has last read or written it."""

    def __init__(self, zookeeper: KazooClient, path: str = "/sensorpi/scheduler/state") -> None:
        """``zookeeper`` belongs to the caller, who starts and stops it."""
        self._zookeeper = zookeeper
        self._path = path
        self._kept = ""
        self._version = -1

    def load(self) -> State:
        """The state that is kept; an empty one before the first. Raises ``StoreAway``."""
        try:
            content, stat = self._zookeeper.get_async(self._path).get(timeout=_TIMEOUT_S)
        except NoNodeError:
            self._kept, self._version = "", -1
            return State()
        except _AWAY as error:
            raise StoreAway(_text(error)) from None
        self._kept, self._version = content.decode(), stat.version
        return state_from_json(self._kept)

    def save(self, state: State) -> None:
        """Keep the state, if it has changed. Raises ``StoreAway`` or ``NotOurs``."""
        text = state.to_json()
        if text == self._kept:
            return
        try:
            self._write(text)
        except (BadVersionError, NodeExistsError):
            self._adopt_own(text)
        except _AWAY as error:
            raise StoreAway(_text(error)) from None

    def _write(self, text: str) -> None:
        if self._version < 0:
            self._zookeeper.create_async(self._path, text.encode(), makepath=True).get(timeout=_TIMEOUT_S)
            self._kept, self._version = text, 0
        else:
            write = self._zookeeper.set_async(self._path, text.encode(), version=self._version)
            self._kept, self._version = text, write.get(timeout=_TIMEOUT_S).version

    def _adopt_own(self, text: str) -> None:
        """A write whose answer got lost is found in place of what it replaced; anything else is not ours."""
        try:
            content, stat = self._zookeeper.get_async(self._path).get(timeout=_TIMEOUT_S)
        except _AWAY as error:
            raise StoreAway(_text(error)) from None
        if content.decode() != text:
            raise NotOurs(f"{self._path} was written by another scheduler")
        self._kept, self._version = text, stat.version


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
