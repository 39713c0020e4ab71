"""The format in which a Kafka message is sent from Spark's JVM to a Python worker: one byte string.

Spark's own way, pickling rows in the JVM and unpickling them in Python, takes several times the CPU.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from pyspark import RDD
from pyspark.serializers import UTF8Deserializer
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812  (Spark's own convention)

#: Partition, offset, append time in ms, length of the key, length of the value. Big-endian, as Spark casts integers to
#: binary.
_HEAD = struct.Struct(">iqqii")
_NULL = -1

#: Key and value together above this size stay in the JVM. A dead letter of this size still fits into its topic.
LARGEST_BYTES = 8 * 1024 * 1024 + 512 * 1024


class Message(NamedTuple):
    """One Kafka message. If key and value were too large they are None, and ``left_out_bytes`` is their total size."""

    partition: int
    offset: int
    appended_ms: int
    key: bytes | None
    value: bytes | None
    left_out_bytes: int = 0


Result = TypeVar("Result")


def map_partitions(messages: DataFrame, work: Callable[[Iterable[bytes]], Iterator[Result]]) -> list[Result]:
    """Have Python workers run ``work`` on the records of each partition of ``messages``; return all that they yield.

    ``messages`` has the columns of Spark's Kafka source.
    """
    context = messages.sparkSession.sparkContext
    encoder = context._jvm.org.apache.spark.sql.Encoders.BINARY()  # type: ignore[union-attr]
    records = getattr(messages.select(_record())._jdf, "as")(encoder).toJavaRDD()
    as_bytes = UTF8Deserializer(use_unicode=False)  # type: ignore[no-untyped-call]
    found: list[Result] = RDD(records, context, as_bytes).mapPartitions(work).collect()
    return found


def _record() -> Column:
    """One message as the bytes that ``unpack`` reads."""
    is_carried = F.coalesce(F.length("key"), F.lit(0)) + F.coalesce(F.length("value"), F.lit(0)) <= LARGEST_BYTES
    head = [F.col("partition"), F.col("offset"), F.unix_millis("timestamp"), _length("key"), _length("value")]
    body = [F.when(is_carried, F.col(column)) for column in ("key", "value")]
    return F.concat(*(part.cast("binary") for part in head), *(F.coalesce(part, F.lit(b"")) for part in body))


def _length(column: str) -> Column:
    return F.coalesce(F.length(column), F.lit(_NULL))


def unpack(record: bytes) -> Message:
    """The message in one record."""
    return Message(*parts(record))


def parts(record: bytes) -> tuple[int, int, int, bytes | None, bytes | None, int]:
    """What `unpack` returns, as a plain tuple, which takes half the time."""
    partition, offset, appended_ms, key_bytes, value_bytes = _HEAD.unpack_from(record)
    value_at = _HEAD.size + (key_bytes if key_bytes > 0 else 0)
    if value_at + value_bytes > len(record):
        return partition, offset, appended_ms, None, None, max(key_bytes, 0) + max(value_bytes, 0)
    key = record[_HEAD.size : value_at] if key_bytes != _NULL else None
    return partition, offset, appended_ms, key, record[value_at:] if value_bytes != _NULL else None, 0


def pack(message: Message) -> bytes:
    """The record of a message, as the JVM makes it."""
    if message.left_out_bytes:
        lengths = [_NULL, min(message.left_out_bytes, 2**31 - 1)]
    else:
        lengths = [_NULL if part is None else len(part) for part in (message.key, message.value)]
    head = _HEAD.pack(message.partition, message.offset, message.appended_ms, *lengths)
    return head + (message.key or b"") + (message.value or b"")
