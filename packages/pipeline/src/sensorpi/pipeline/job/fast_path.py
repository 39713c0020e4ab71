"""Our own publisher's messages become line protocol in Spark SQL columns, without Python.

Only a message that has exactly the shape of `Reading.to_json` matches; every other one goes
through `message.parse`. A matching message gives the same point on both ways.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812  (Spark's own convention)

from sensorpi.common.reading import FIELDS, OLDEST_TIMESTAMP_MS
from sensorpi.pipeline.job.message import LARGEST_MESSAGE_BYTES, LONGEST_LEAD_MS

_NUMBER = r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,17})?"
#: Names that need no escaping in line protocol.
_NAME = r"[A-Za-z0-9._:-]{1,128}"
#: Groups: sensor, host, boot, sequence, timestamp, the fields. Anchored at both ends, with every
#: field at most once and in its place, so that no duplicate key can pass.
PATTERN = (
    rf'^\{{"sensor":"({_NAME})","host":"({_NAME})","boot":"({_NAME})",'
    r'"sequence":([1-9]\d{0,14}),"timestamp":([1-9]\d{11,13})'
    "(" + "".join(f'(?:,"{name}":{_NUMBER})?' for name in FIELDS) + r")\}\z"
)


def columns(value: Column, appended: Column, raw_retention_days: int) -> tuple[Column, Column, Column]:
    """(line, rest, too_large) for a Kafka message's binary ``value``.

    ``line``: its line protocol (precision ms), null off the fast path. ``rest``: the value that is
    to be parsed, null on the fast path and for one that is too large. ``appended``: the broker's
    append time, a timestamp. ``raw_retention_days``: as in `message.bounds`.
    """
    # Bytes that are no UTF-8 become U+FFFD in the cast, which the pattern does not contain.
    small = F.length(value) <= LARGEST_MESSAGE_BYTES
    text = F.when(small, value.cast("string"))
    timestamp_ms = F.regexp_extract(text, PATTERN, 5).cast("long")  # null where nothing matched
    appended_ms = F.unix_millis(appended)
    in_bounds = timestamp_ms.between(F.lit(OLDEST_TIMESTAMP_MS), appended_ms + LONGEST_LEAD_MS)
    if raw_retention_days:
        in_bounds &= timestamp_ms >= appended_ms - (raw_retention_days * 24 - 1) * 3600 * 1000
    fields = F.translate(F.regexp_extract(text, PATTERN, 6), ':"', "=")
    head = F.regexp_replace(text, PATTERN, r'sensor,host=$2,sensor=$1 boot="$3",sequence=$4')
    heading = F.radians(F.regexp_extract(text, rf'"heading":({_NUMBER})', 1).cast("double"))
    vector = F.concat(
        F.lit(",heading_sin="),
        F.sin(heading).cast("decimal(7,6)").cast("string"),
        F.lit(",heading_cos="),
        F.cos(heading).cast("decimal(7,6)").cast("string"),
    )
    line = F.when(
        in_bounds,
        F.concat(head, fields, F.coalesce(vector, F.lit("")), F.lit(" "), timestamp_ms.cast("string")),
    )
    return line, F.when(small & line.isNull(), value), ~small
