"""A framework's subscription to the leading Mesos master: kept up for as long as it is wanted."""

import logging
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from sensorpi.common.daemon.outage import Outage, backoff_s
from sensorpi.mesos_node.mesos.calls import Json
from sensorpi.mesos_node.mesos.connection import Answer, Poster
from sensorpi.mesos_node.mesos.errors import (
    FrameworkFailedOverError,
    FrameworkRemovedError,
    MesosError,
    NotLeadingError,
    NotSubscribedError,
    UnreachableError,
    WrongStreamError,
)
from sensorpi.mesos_node.mesos.events import events

_log = logging.getLogger(__name__)

#: A subscription that held for this long was a good one: the next back-off begins anew.
_STEADY_S = 30.0
_LONGEST_WAIT_S = 15.0

#: How soon a thread that waits for the end of ``run`` sees it.
_LOOK_S = 1.0

_STOPPED = MesosError("the framework was told to stop")


T = TypeVar("T")


def _ignore(_reason: str) -> None:
    """Nobody wants to know."""


class SchedulerClient:
    """One framework at the leading master. ``run`` belongs to one thread; all else may be called from any."""

    def __init__(
        self,
        framework_info: Json,
        find_leader: Callable[[], str | None],
        on_event: Callable[[Json], None],
        *,
        framework_id: str | None = None,
        on_disconnect: Callable[[str], None] = _ignore,
        credentials: tuple[str, str] | None = None,
    ) -> None:
        """``find_leader`` gives "host:port" or None, as ``LeaderFinder`` does.

        ``on_event`` gets every event but heartbeats, in order and on the thread of ``run``; SUBSCRIBED is the first
        of each subscription. ``on_disconnect`` gets the reason once after each subscription that ended. An exception
        of either is logged and changes nothing. With ``framework_id`` the client takes that framework over.
        ``credentials`` are principal and secret.
        """
        self._info = framework_info
        self._find_leader = find_leader
        self._on_event, self._on_disconnect = on_event, on_disconnect
        self._poster = Poster(credentials)
        self._outage = Outage("Mesos", _log)
        self._lock = threading.Lock()
        self._framework_id = framework_id
        self._stream: Answer | None = None
        self._subscribed = False
        self._cause: MesosError | None = None
        self._wake = threading.Event()
        self._teardown = threading.Lock()
        self._torn_down = False

    @property
    def framework_id(self) -> str | None:
        """The id that the master gave, or that was given at the start."""
        return self._framework_id

    @property
    def subscribed(self) -> bool:
        """Whether a master takes calls at this moment."""
        return self._subscribed

    @property
    def master(self) -> str | None:
        """The "host:port" of the master we are subscribed to."""
        stream = self._stream
        return stream.address if stream is not None and self._subscribed else None

    def forget_framework(self) -> None:
        """Subscribe as a new framework the next time: the answer to ``FrameworkRemovedError``, if one is wanted."""
        self._framework_id = None
        self._torn_down = False

    def leader_changed(self, leader: str | None) -> None:
        """Leave a master that no longer leads, and do not wait for the next try. For ``LeaderFinder.watch``."""
        stream = self._stream
        if leader is not None and (stream is None or leader != stream.address):
            self._hang_up(stream, MesosError(f"Mesos master {leader} leads now"))
            self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Stay subscribed until ``stop`` is set or the framework is torn down by a call of ours.

        Raises ``FrameworkFailedOverError`` when another instance has taken over, ``FrameworkRemovedError`` when the
        master does not know the framework any more. Everything else is waited out with back-off.
        """
        ended = threading.Event()
        threading.Thread(target=self._hang_up_at, args=(stop, ended), name="mesos-stop", daemon=True).start()
        waits = backoff_s(longest_s=_LONGEST_WAIT_S)
        try:
            while not stop.is_set():
                began_s = time.monotonic()
                reason = self._subscribe_once(stop)
                if stop.is_set() or self._is_torn_down():
                    return
                self._outage.failed(reason)
                if time.monotonic() - began_s > _STEADY_S:
                    waits = backoff_s(longest_s=_LONGEST_WAIT_S)
                # Masters and schedulers that went together must not come back in step.
                self._wake.wait(next(waits) * random.uniform(0.5, 1.0))
        finally:
            ended.set()

    def call(self, type: str, body: Json | None = None) -> None:  # noqa: A002  # Mesos's word for it
        """Post one call of the subscription, such as ``client.call(*calls.revive())``; return when it is accepted.

        Accepted (202) says that the call is well-formed; the verdict on a task comes as an UPDATE event. Raises
        the ``MesosError`` that says what to do, within 10 s.
        """
        if type == "TEARDOWN":
            with self._teardown:
                self._post(type, body)
                self._torn_down = True
        else:
            self._post(type, body)

    def _post(self, kind: str, body: Json | None) -> None:
        with self._lock:
            stream = self._stream if self._subscribed else None
            framework_id = self._framework_id
        if stream is None:
            raise NotSubscribedError(f"{kind} is not sent: not subscribed to a Mesos master")
        message = {"type": kind, **({} if body is None else {kind.lower(): body})}
        message["framework_id"] = {"value": framework_id}
        try:
            self._poster.post(stream.address, message, stream.stream_id).close()
        except (NotLeadingError, WrongStreamError) as error:
            self._hang_up(stream, error)
            raise

    def _subscribe_once(self, stop: threading.Event) -> MesosError:
        """Find the leader, subscribe, take events until the stream ends; return why it ended."""
        self._wake.clear()
        try:
            leader = self._find_leader()
        except Exception as error:
            return UnreachableError(f"looking for the leading master failed: {error!r}")
        if leader is None:
            return UnreachableError("ZooKeeper names no leading master")
        try:
            stream = self._poster.post_to_leader(leader, self._subscription())
        except MesosError as error:
            return error
        with self._lock:
            self._stream, self._cause = stream, None
        if stop.is_set():  # before there was a stream to hang up
            self._hang_up(stream, _STOPPED)
        end: MesosError = UnreachableError(f"Mesos master {stream.address} ended the stream")
        try:
            for event in events(stream):
                if event["type"] == "SUBSCRIBED":
                    self._began(stream, event)
                self._tell(self._on_event, event)
        except MesosError as error:
            end = error
        finally:
            stream.close()
        end = self._cause or end
        self._ended(end)
        if isinstance(end, FrameworkFailedOverError | FrameworkRemovedError):
            raise end
        return end

    def _began(self, stream: Answer, event: Json) -> None:
        framework_id = event["subscribed"]["framework_id"]["value"]
        with self._lock:
            self._framework_id = framework_id
            self._subscribed = True
        self._outage.succeeded()
        _log.info("Subscribed to Mesos master %s as framework %s", stream.address, framework_id)

    def _ended(self, error: MesosError) -> None:
        with self._lock:
            was_subscribed, self._subscribed = self._subscribed, False
            self._stream = None
        if was_subscribed:
            self._tell(self._on_disconnect, str(error))

    def _tell(self, callback: Callable[[T], None], news: T) -> None:
        try:
            callback(news)
        except Exception:
            _log.exception("The framework goes on after a mistake of its own, at %.200r", news)

    def _hang_up(self, stream: Answer | None, cause: MesosError) -> None:
        """End the read that blocks on it, if any; ``run`` then goes on, and gives ``cause`` as the reason."""
        if stream is not None:
            self._cause = cause
            with suppress(OSError):
                stream.sock.shutdown(socket.SHUT_RDWR)

    def _hang_up_at(self, stop: threading.Event, ended: threading.Event) -> None:
        while not ended.is_set():
            if stop.wait(_LOOK_S):
                self._hang_up(self._stream, _STOPPED)
                self._wake.set()
                return

    def _is_torn_down(self) -> bool:
        with self._teardown:  # the stream ends before the call has its answer
            return self._torn_down

    def _subscription(self) -> Json:
        info = {key: value for key, value in self._info.items() if key != "id"}
        if self._framework_id is None:
            return {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        identifier = {"value": self._framework_id}
        return {
            "type": "SUBSCRIBE",
            "subscribe": {"framework_info": info | {"id": identifier}},
            "framework_id": identifier,
        }
