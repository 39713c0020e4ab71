"""The events of one subscription, read from the master's answer while heartbeats arrive."""

import http.client
from collections.abc import Iterator

from sensorpi.common.daemon.untrusted import parse_json
from sensorpi.mesos_node.mesos.calls import Json
from sensorpi.mesos_node.mesos.connection import Answer
from sensorpi.mesos_node.mesos.errors import (
    FrameworkFailedOverError,
    FrameworkRemovedError,
    MesosError,
    UnreachableError,
)
from sensorpi.mesos_node.mesos.event_shape import checked
from sensorpi.mesos_node.mesos.recordio import Decoder

#: With the master's interval of 15 s, a connection is given up after 45 s of silence.
MISSED_HEARTBEATS = 3

_READ_BYTES = 65536

#: What the master says in an ERROR event before it closes the stream for good.
_FINAL: dict[str, type[MesosError]] = {
    "Framework failed over": FrameworkFailedOverError,
    "Framework has been removed": FrameworkRemovedError,
}


def events(answer: Answer) -> Iterator[Json]:
    """Every event but heartbeats, in order, until the master ends the stream.

    Raises ``UnreachableError`` when it breaks off, is malformed or stays silent for several heartbeats; after an ERROR
    event ``FrameworkFailedOverError``, ``FrameworkRemovedError`` or ``MesosError``.
    """
    silence_s = answer.sock.gettimeout() or 0.0
    try:
        for event in _events(answer.response):
            if event["type"] == "SUBSCRIBED":
                silence_s = MISSED_HEARTBEATS * float(event["subscribed"].get("heartbeat_interval_seconds", 15.0))
                answer.sock.settimeout(silence_s)
            if event["type"] != "HEARTBEAT":
                yield event
            if event["type"] == "ERROR":
                message = event["error"]["message"]
                raise _FINAL.get(message, MesosError)(f"Mesos master {answer.address}: {message}")
    except TimeoutError:
        raise UnreachableError(f"no heartbeat of Mesos master {answer.address} for {silence_s:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(f"Mesos master {answer.address} closed the connection: {error!r}") from None
    except (ValueError, OverflowError) as error:  # the last: an interval that is too long for a socket
        raise UnreachableError(f"Mesos master {answer.address} sends malformed events: {error!r}") from None


def _events(response: http.client.HTTPResponse) -> Iterator[Json]:
    decoder = Decoder()
    while data := response.read1(_READ_BYTES):
        for record in decoder.feed(data):
            yield checked(parse_json(record))
