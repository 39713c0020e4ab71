"""What one Kafka message means: a point for InfluxDB, or the reason why it is not one.

`parse` has the rules. `Rules.line` makes the same point, but recognises the shape that our own publisher sends in
one pass over the bytes; the tests keep the two in step.
"""

import json
import math
import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from sensorpi.common.reading import (
    DEFAULT_HOST,
    DEFAULT_SENSOR,
    FIELD_NAME,
    FIELDS,
    LONGEST_LEAD_MS,
    MOST_FIELDS,
    NAME,
    OLDEST_TIMESTAMP_MS,
    RESERVED_FIELDS,
    longest_lag_ms,
)
from sensorpi.pipeline.job.names import Gate, Known

#: A reading has about 250 bytes; sixty-four fields with the longest names and numbers fit, too.
LARGEST_MESSAGE_BYTES = 65_536

#: The common shape: what `Reading.to_json` makes of names that need no escaping in line protocol. Anchored at both ends
#: and with each field at most once, in its place, so that a duplicate key cannot pass. Possessive throughout: no part
#: is tried twice, whatever is sent. Groups: sensor, host, boot, sequence, timestamp, the fields, the heading.
_SIMPLE_NAME = rb"[A-Za-z0-9._:-]{1,128}+"
_NUMBER = rb"-?+(?>0|[1-9][0-9]{0,14}+)(?>\.[0-9]{1,17}+)?+"
_COMMON = re.compile(
    rb'\{"sensor":"(%b)","host":"(%b)","boot":"(%b)",' % ((_SIMPLE_NAME,) * 3)
    + rb'"sequence":([1-9][0-9]{0,14}+),"timestamp":([1-9][0-9]{11,13}+)'
    + rb"(%b)\}"
    % b"".join(
        rb'(?>,"%b":%b)?+' % (name.encode(), b"(%b)" % _NUMBER if name == "heading" else _NUMBER) for name in FIELDS
    )
)
#: From JSON's `,"temperature":21.5` to line protocol's `,temperature=21.5`, with the quotes deleted.
_TO_LINE = bytes.maketrans(b":", b"=")


class Refused(Exception):
    """A message that is not a reading; the text says why, for the dead letter's header."""


def too_large(size_bytes: int) -> Refused:
    """The refusal of a message of that size."""
    return Refused(f"too large: {size_bytes} bytes, at most {LARGEST_MESSAGE_BYTES} are read")


class Bounds(NamedTuple):
    """The timestamps that a message may have, in ms since the epoch, both ends included."""

    oldest_ms: int
    newest_ms: int


@dataclass(frozen=True)
class Point:
    """A reading as InfluxDB stores it: two tags, float fields, the boot id, and its time in ms."""

    sensor: str
    host: str
    boot: str | None
    fields: dict[str, float]
    timestamp_ms: int

    @property
    def series(self) -> str:
        """What InfluxDB calls the series of this host and sensor."""
        return series_of(self.host, self.sensor)

    def to_line(self) -> str:
        """One line of line protocol, precision ms."""
        fields = [f'boot="{self.boot}"'] if self.boot is not None else []
        fields += [f"{name}={value!r}" for name, value in self.fields.items()]
        return f"{self.series} {','.join(fields)} {self.timestamp_ms}"


def series_of(host: str, sensor: str) -> str:
    """The key of a series, with the tags in the order in which InfluxDB sorts them."""
    return f"sensor,host={_escape_tag(host)},sensor={_escape_tag(sensor)}"


def bounds(appended_ms: int, raw_retention_days: int) -> Bounds:
    """The timestamps that a message appended to the log at ``appended_ms`` may have.

    ``raw_retention_days`` 0 keeps raw data forever. InfluxDB drops older points without naming
    them, and keeps points of the far future forever, so neither is sent to it.
    """
    return Bounds(
        max(OLDEST_TIMESTAMP_MS, appended_ms - longest_lag_ms(raw_retention_days)), appended_ms + LONGEST_LEAD_MS
    )


def parse(value: bytes | None, key: bytes | None, allowed: Bounds, default_host: str = DEFAULT_HOST) -> Point:
    """The point that one message stands for.

    ``default_host`` is the host of a message that has neither a host nor a usable key, such as those of the original
    project's sensor.py. Raises Refused with the reason.
    """
    if not value:
        raise Refused("empty value")
    if len(value) > LARGEST_MESSAGE_BYTES:
        raise too_large(len(value))
    message = _json_object(value)
    if len(message) > MOST_FIELDS:
        raise Refused(f"too many fields: {len(message)}, at most {MOST_FIELDS}")
    sensor = _name(message, "sensor") or DEFAULT_SENSOR
    host = _name(message, "host") or _key_name(key) or default_host
    boot = _name(message, "boot")
    timestamp_ms = _timestamp(message, allowed)
    fields = _fields(message)
    return Point(sensor, host, boot, fields, timestamp_ms)


class Rules:
    """What the messages of a topic mean, for one setting of the retention and of the default host."""

    def __init__(self, raw_retention_days: int, default_host: str = DEFAULT_HOST, gate: Gate | None = None) -> None:
        """As in ``bounds`` and ``parse``. Without a gate, the number of sensors and fields is not limited."""
        self._raw_retention_days = raw_retention_days
        self._default_host = default_host
        self._longest_lag_ms = longest_lag_ms(raw_retention_days)
        self._gate = gate or Gate(Known())
        self._series, self._fields = self._gate.known.series, self._gate.known.fields

    def line(self, value: bytes | None, key: bytes | None, appended_ms: int) -> tuple[bytes, int]:
        """The line of line protocol (precision ms) for a message, and its timestamp in ms.

        Raises Refused, or Undecided when the driver has to decide about a new name.
        """
        if value is not None and (common := _COMMON.fullmatch(value)):
            sensor, host, boot, sequence, timestamp, fields, heading = common.groups()
            timestamp_ms = int(timestamp)
            lead_ms = timestamp_ms - appended_ms
            if -self._longest_lag_ms <= lead_ms <= LONGEST_LEAD_MS and timestamp_ms >= OLDEST_TIMESTAMP_MS:
                series = b"sensor,host=%b,sensor=%b" % (host, sensor)
                if series not in self._series:
                    self._admit(series, host.decode())
                vector = b"" if heading is None else b",heading_sin=%.6f,heading_cos=%.6f" % _vector(float(heading))
                parts = series, boot, sequence, fields.translate(_TO_LINE, b'"'), vector, timestamp
                return b'%b boot="%b",sequence=%b%b%b %b' % parts, timestamp_ms
        allowed = bounds(appended_ms, self._raw_retention_days)
        point = parse(value, key, allowed, self._default_host)
        series = point.series.encode()
        if series not in self._series or not point.fields.keys() <= self._fields:
            self._admit(series, point.host, point.fields.keys())
        return point.to_line().encode(), point.timestamp_ms

    def _admit(self, series: bytes, host: str, fields: Set[str] = frozenset()) -> None:
        reason = self._gate.refusal(series, host, fields)
        if reason is not None:
            raise Refused(reason)


def _json_object(value: bytes) -> dict[str, Any]:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"not UTF-8: byte {error.start}") from None
    try:
        message = json.loads(
            text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant, parse_int=_parse_int
        )
    except ValueError as error:
        raise Refused(f"not JSON: {error}") from None
    except RecursionError:
        raise Refused("not JSON: nested too deeply") from None
    if not isinstance(message, dict):
        raise Refused(f"not an object: {_type_name(message)}")
    return message


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    message = dict(pairs)
    if len(message) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise Refused(f"duplicate key: {repeated[:64]!r}")
    return message


def _no_constant(name: str) -> None:
    raise Refused(f"not JSON: {name} is not a number")


def _parse_int(digits: str) -> int | float:
    """An int if a float can represent it exactly. Longer ones become floats; inf is refused later."""
    return int(digits) if len(digits) <= 15 else float(digits)


def _type_name(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def _name(message: dict[str, Any], key: str) -> str | None:
    value = message.pop(key, None)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refused(f"wrong type: {key} is a {_type_name(value)}, a string is expected")
    if not NAME.fullmatch(value):
        raise Refused(f"bad {key}: 1 to 128 characters without quotes, backslashes and control characters")
    return value


def _key_name(key: bytes | None) -> str | None:
    name = (key or b"").decode("utf-8", errors="replace")
    return name if NAME.fullmatch(name) and "�" not in name else None


def _timestamp(message: dict[str, Any], allowed: Bounds) -> int:
    value = message.pop("timestamp", None)
    if value is None:
        raise Refused("missing timestamp")
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Refused(f"wrong type: timestamp is a {_type_name(value)}, a whole number of ms is expected")
    if not math.isfinite(value) or value != int(value):
        raise Refused("bad timestamp: a whole number of ms is expected")
    if value < allowed.oldest_ms:
        raise Refused("timestamp too old: before 2000 or past the raw retention")
    if value > allowed.newest_ms:
        raise Refused("timestamp in the future: more than 24 h ahead of the broker")
    return int(value)


def _fields(message: dict[str, Any]) -> dict[str, float]:
    fields: dict[str, float] = {}
    sequence = message.get("sequence")
    if isinstance(sequence, int | float) and (sequence < 1 or sequence % 1):
        raise Refused("bad sequence: a whole number from 1 is expected")
    for name, value in message.items():
        if value is None:
            continue
        if not FIELD_NAME.fullmatch(name):
            raise Refused(f"bad field name: {name[:64]!r}")
        if name in RESERVED_FIELDS:
            raise Refused(f"reserved field name: {name}")
        if isinstance(value, dict | list):
            raise Refused(f"nested: {name} is an {_type_name(value)}")
        if isinstance(value, bool | str):
            raise Refused(f"wrong type: {name} is a {_type_name(value)}, a number is expected")
        fields[name] = float(value)
        if not math.isfinite(fields[name]):
            raise Refused(f"not finite: {name}")
    if not fields:
        raise Refused("no values")
    if "heading" in fields:
        sine, cosine = _vector(fields["heading"])
        fields["heading_sin"], fields["heading_cos"] = round(sine, 6), round(cosine, 6)
    return fields


def _vector(heading: float) -> tuple[float, float]:
    """Sine and cosine of a heading in degrees. A mean of headings is wrong around north; a mean of these two is not."""
    radians = math.radians(heading)
    return math.sin(radians), math.cos(radians)


def _escape_tag(value: str) -> str:
    return value.replace(",", r"\,").replace("=", r"\=").replace(" ", r"\ ")
