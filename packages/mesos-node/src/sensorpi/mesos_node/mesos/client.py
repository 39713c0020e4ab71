"""A framework's subscription to the leading Mesos master, renewed whenever it ends."""

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
    NotLeaderError,
    NotSubscribedError,
    UnreachableError,
    WrongStreamError,
)
from sensorpi.mesos_node.mesos.events import events

_log = logging.getLogger(__name__)

#: After a subscription of this length the back-off starts again from its shortest wait.
_STEADY_S = 30.0
_LONGEST_WAIT_S = 15.0

#: The longest time until the helper thread sees that ``run`` has ended.
_LOOK_EVERY_S = 1.0

_STOPPED = MesosError("the framework was told to stop")

T = TypeVar("T")


def _ignore(_reason: str) -> None:
    """The default of ``on_disconnect``."""


class SchedulerClient:
    """One framework at the leading master. ``run`` belongs to one thread; everything else may be called from any."""

    def __init__(
        self,
        framework_info: Json,
        detect_master: Callable[[], str | None],
        on_event: Callable[[Json], None],
        *,
        framework_id: str | None = None,
        on_disconnect: Callable[[str], None] = _ignore,
        credentials: tuple[str, str] | None = None,
    ) -> None:
        """``detect_master`` returns "host:port" or None, as ``MasterDetector.detect`` does.

        ``on_event`` gets every event but heartbeats, in order and on the thread of ``run``; SUBSCRIBED is the first
        of each subscription. ``on_disconnect`` gets the reason once after each subscription that ended. An exception
        of either is logged and otherwise ignored. With ``framework_id`` the client takes that framework over.
        ``credentials`` are principal and secret.
        """
        self._info = framework_info
        self._detect_master = detect_master
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
        """The id that the master has assigned, or that was given at the start."""
        return self._framework_id

    @property
    def subscribed(self) -> bool:
        """Whether a master accepts calls now."""
        return self._subscribed

    @property
    def master(self) -> str | None:
        """The "host:port" of the master we are subscribed to."""
        stream = self._stream
        return stream.address if stream is not None and self._subscribed else None

    def forget_framework(self) -> None:
        """Subscribe as a new framework the next time, after ``FrameworkRemovedError``."""
        self._framework_id = None
        self._torn_down = False

    def master_changed(self, leader: str | None) -> None:
        """Leave a master that is not the leader any more, and retry at once. For ``MasterDetector.watch``."""
        stream = self._stream
        if leader is not None and (stream is None or leader != stream.address):
            self._hang_up(stream, MesosError(f"Mesos master {leader} is the leader now"))
            self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Stay subscribed until ``stop`` is set or the framework is torn down by ``call``.

        Raises ``FrameworkFailedOverError`` when another instance has taken over, ``FrameworkRemovedError`` when the
        master has removed the framework. After everything else it retries with back-off.
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
                # Schedulers that lost their master together must not all retry together.
                self._wake.wait(next(waits) * random.uniform(0.5, 1.0))
        finally:
            ended.set()

    def call(self, type: str, body: Json | None = None) -> None:  # noqa: A002  # as Mesos calls it
        """Post one call of the subscription, such as ``client.call(*calls.revive())``; return when it is accepted.

        Accepted (202) means that the call is well-formed; what became of a task comes as an UPDATE event. Raises a
        ``MesosError`` whose class says what to do, within 10 s.
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
        except (NotLeaderError, WrongStreamError) as error:
            self._hang_up(stream, error)
            raise

    def _subscribe_once(self, stop: threading.Event) -> MesosError:
        """Find the leader, subscribe, take events until the stream ends; return why it ended."""
        self._wake.clear()
        try:
            leader = self._detect_master()
        except Exception as error:
            return UnreachableError(f"the detection of the leading master failed: {error!r}")
        if leader is None:
            return UnreachableError("ZooKeeper has no leading master")
        try:
            stream = self._poster.post_to_leader(leader, self._subscription())
        except MesosError as error:
            return error
        with self._lock:
            self._stream, self._cause = stream, None
        if stop.is_set():  # it may have been set before the stream could be hung up
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
            _log.exception("A callback of the framework failed, with %.200r", news)

    def _hang_up(self, stream: Answer | None, cause: MesosError) -> None:
        """End the read that blocks on the stream, if any; ``run`` goes on with ``cause`` as the reason."""
        if stream is not None:
            self._cause = cause
            with suppress(OSError):
                stream.sock.shutdown(socket.SHUT_RDWR)

    def _hang_up_at(self, stop: threading.Event, ended: threading.Event) -> None:
        while not ended.is_set():
            if stop.wait(_LOOK_EVERY_S):
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
