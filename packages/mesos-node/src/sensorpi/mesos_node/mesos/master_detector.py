"""The leading Mesos master, as the masters themselves keep it in ZooKeeper."""

import json
import logging
from collections.abc import Callable, Iterable

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.recipe.watchers import ChildrenWatch

_log = logging.getLogger(__name__)

#: Each contender has a node of this name with a sequence number behind it; the lowest leads.
CONTENDER = "json.info_"

#: ZooKeeper is away, or what it holds is no master.
_NOT_NOW = (KazooException, KazooTimeoutError, ValueError)


def leading(contenders: Iterable[str]) -> str | None:
    """The name of the leader's node among the children of the masters' folder."""
    numbers = {
        int(name.removeprefix(CONTENDER)): name
        for name in contenders
        if name.startswith(CONTENDER) and name.removeprefix(CONTENDER).isdigit()
    }
    return numbers[min(numbers)] if numbers else None


def address_of(master_info: bytes) -> str:
    """A master's "host:port" from what its node holds: its IP address, since names need not resolve here.

    Raises ``ValueError`` when it is not a master's description.
    """
    try:
        address = json.loads(master_info)["address"]
        host, port = str(address["ip"]), int(address["port"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a description of a Mesos master: {error!r}") from None
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class LeaderFinder:
    """Asks ZooKeeper for the leading master, and tells when it is another."""

    def __init__(self, zookeeper: KazooClient, path: str = "/mesos", timeout_s: float = 5.0) -> None:
        """``zookeeper`` belongs to the caller, who starts and stops it; ``path`` is the one in the masters' --zk."""
        self._zookeeper = zookeeper
        self._path = path
        self._timeout_s = timeout_s

    def find_leader(self) -> str | None:
        """The leader's "host:port"; None while there is none, or ZooKeeper does not answer in time."""
        try:
            return self._ask()
        except _NOT_NOW as error:
            _log.debug("ZooKeeper names no leader of Mesos: %r", error)
            return None

    def watch(self, on_change: Callable[[str | None], None]) -> None:
        """Call ``on_change`` with the leader's "host:port" (None: there is none), now and whenever it is another.

        It runs on a thread of the ZooKeeper client, for that client's lifetime and across lost sessions. Waits for
        ZooKeeper. An exception of ``on_change`` is logged.
        """
        told: list[str | None] = []

        def look(_contenders: object) -> None:
            try:
                leader = self._ask()
            except _NOT_NOW:  # the next change, or whoever asks, will tell
                return
            if told[-1:] != [leader]:
                told[:] = [leader]
                try:
                    on_change(leader)
                except Exception:
                    _log.exception("Nobody took the news that the leader of Mesos is %s", leader)

        self._zookeeper.ensure_path(self._path)  # the first master may come later
        ChildrenWatch(self._zookeeper, self._path, look)

    def _ask(self) -> str | None:
        # A node can go between the two questions; then another contender leads.
        for _attempt in range(3):
            try:
                name = leading(self._zookeeper.get_children_async(self._path).get(timeout=self._timeout_s))
                if name is None:
                    return None
                content, _stat = self._zookeeper.get_async(f"{self._path}/{name}").get(timeout=self._timeout_s)
                return address_of(content)
            except NoNodeError:
                continue
        return None
