"""The masters' leader election in ZooKeeper, in the format of the real ones, and the detection of the leader."""

import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.protocol.states import KazooState
from kazoo.recipe.watchers import ChildrenWatch
from kazoo.retry import KazooRetry

Info = dict[str, Any]

_PREFIX = "json.info_"


def connect(hosts: str, session_s: float) -> KazooClient:
    """A connected client; waits for ZooKeeper without limit."""
    retry = KazooRetry(max_tries=-1, delay=0.1, max_delay=2.0)
    zookeeper = KazooClient(hosts, timeout=session_s, connection_retry=retry, command_retry=retry)
    zookeeper.start_async().wait()
    return zookeeper


class Detector:
    """Reports the leader, at every change."""

    def __init__(self, zookeeper: KazooClient, path: str, on_leader: Callable[[Info | None, int], None]) -> None:
        """``on_leader`` also gets the number of contenders."""
        self._zookeeper, self._path, self._on_leader = zookeeper, path, on_leader

    def start(self) -> None:
        """Report now and from now on."""
        self._zookeeper.ensure_path(self._path)
        ChildrenWatch(self._zookeeper, self._path, self._look)

    def _look(self, children: list[str]) -> None:
        contenders = sorted(child for child in children if child.startswith(_PREFIX))
        for contender in contenders:
            try:
                content, _stat = self._zookeeper.retry(self._zookeeper.get, f"{self._path}/{contender}")
            except NoNodeError:
                continue
            self._on_leader(json.loads(content), len(contenders))
            return
        self._on_leader(None, 0)


class Contender:
    """Stands for election, again after each lost session; a leader that loses ZooKeeper ends its process."""

    def __init__(self, zookeeper: KazooClient, path: str, info: Info, session_s: float) -> None:
        self._zookeeper, self._path, self._info = zookeeper, path, info
        self._session_s = session_s
        self._timer: threading.Timer | None = None
        self._stands = False
        self.is_leader = False

    def start(self) -> None:
        """Stand for election."""
        self._zookeeper.add_listener(self._listen)
        self._contend()

    def _contend(self) -> None:
        if not self._stands:
            self._stands = True
            content = json.dumps(self._info, separators=(",", ":")).encode()
            node = f"{self._path}/{_PREFIX}"
            self._zookeeper.retry(self._zookeeper.create, node, content, ephemeral=True, sequence=True, makepath=True)

    def _listen(self, state: str) -> None:
        if state == KazooState.CONNECTED:
            if self._timer is not None:
                self._timer.cancel()
            if not self._stands:
                threading.Thread(target=self._contend, daemon=True).start()
        elif state == KazooState.SUSPENDED:
            # When the session has expired another one may be the leader, and ZooKeeper cannot tell us.
            self._timer = threading.Timer(self._session_s, self.lost)
            self._timer.daemon = True
            self._timer.start()
        elif state == KazooState.LOST:
            self.lost()

    def lost(self) -> None:
        """The session is over, or must be assumed to be: a leader ends here."""
        self._stands = False
        if self.is_leader:
            print("Lost leadership... committing suicide!", file=sys.stderr, flush=True)
            os._exit(1)


class Registry:
    """The agents that masters have admitted, stored where the next leader finds them."""

    def __init__(self, zookeeper: KazooClient, path: str) -> None:
        self._zookeeper = zookeeper
        self._path = f"{path}/log_replicas"

    def make(self) -> None:
        """Create it; before the first master's own node, whose number then is not 0."""
        self._zookeeper.ensure_path(self._path)

    def read(self) -> dict[str, Info]:
        """Agents by id."""
        content, _stat = self._zookeeper.get(self._path)
        return dict(json.loads(content)) if content else {}

    def write(self, agents: dict[str, Info]) -> None:
        """Replace them all."""
        try:
            self._zookeeper.set(self._path, json.dumps(agents).encode())
        except KazooException as error:
            print(f"Failed to update registry: {error!r}", file=sys.stderr, flush=True)
