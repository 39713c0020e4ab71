"""Detects the leading Mesos master, from what the masters themselves write to ZooKeeper."""

import logging
import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.recipe.watchers import ChildrenWatch

from sensorpi.common.daemon import untrusted
from sensorpi.common.daemon.untrusted import NOT_AS_EXPECTED

_log = logging.getLogger(__name__)

#: Each contender has a node with this name and a sequence number; the lowest number is the leader's.
_CONTENDER = re.compile(r"json\.info_([0-9]{1,20})")

#: ZooKeeper is unavailable, or what it holds does not describe a master.
_NO_ANSWER = (KazooException, KazooTimeoutError, ValueError)


def leader_of(contenders: Iterable[str]) -> str | None:
    """The name of the leader's node among the children of the masters' folder."""
    numbers = {int(match[1]): name for name in contenders if (match := _CONTENDER.fullmatch(name))}
    return numbers[min(numbers)] if numbers else None


def address_of(master_info: bytes) -> str:
    """A master's "host:port" from what its node holds: its IP address, since names need not resolve here.

    Raises ``ValueError`` when it is not a master's description.
    """
    try:
        address = untrusted.parse_json(master_info)["address"]
        host, port = str(ip_address(address["ip"])), int(address["port"])
        if not 0 < port < 65536:
            raise ValueError(f"port {port}")
    except NOT_AS_EXPECTED as error:
        raise ValueError(f"not a description of a Mesos master: {error!r}") from None
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class MasterDetector:
    """Asks ZooKeeper for the leading master, and reports when it changes."""

    def __init__(self, zookeeper: KazooClient, path: str = "/mesos", timeout_s: float = 5.0) -> None:
        """``zookeeper`` belongs to the caller, which starts and stops it; ``path`` is the one in the masters' --zk."""
        self._zookeeper = zookeeper
        self._path = path
        self._timeout_s = timeout_s

    def detect(self) -> str | None:
        """The leader's "host:port"; None while there is none, or when ZooKeeper does not answer in time."""
        try:
            return self._ask()
        except _NO_ANSWER as error:
            _log.debug("No Mesos master is detected: %r", error)
            return None

    def watch(self, on_change: Callable[[str | None], None]) -> None:
        """Call ``on_change`` with the leader's "host:port" (None: there is none), now and at each change.

        It runs on a thread of the ZooKeeper client, for that client's lifetime and across lost sessions. Waits for
        ZooKeeper. An exception of ``on_change`` is logged.
        """
        reported: list[str | None] = []

        def look(_contenders: object) -> None:
            try:
                leader = self._ask()
            except _NO_ANSWER:  # the next change, or the next ``detect``, will show it
                return
            if reported[-1:] != [leader]:
                reported[:] = [leader]
                try:
                    on_change(leader)
                except Exception:
                    _log.exception("The change of the leading Mesos master to %s was not handled", leader)

        self._zookeeper.ensure_path(self._path)  # the first master may come later
        ChildrenWatch(self._zookeeper, self._path, look)

    def _ask(self) -> str | None:
        # A node can disappear between the two requests; then another contender is the leader.
        for _attempt in range(3):
            try:
                name = leader_of(self._zookeeper.get_children_async(self._path).get(timeout=self._timeout_s))
                if name is None:
                    return None
                content, _stat = self._zookeeper.get_async(f"{self._path}/{name}").get(timeout=self._timeout_s)
                return address_of(content)
            except NoNodeError:
                continue
        return None
