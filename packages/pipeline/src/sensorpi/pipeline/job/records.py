"""How a Kafka message travels from Spark's JVM to a Python worker: as one run of bytes.

Spark's usual way, rows that are pickled in the JVM and unpickled in Python, costs several times the CPU.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from pyspark import RDD
from pyspark.serializers import UTF8Deserializer
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812  (Spark's own convention)

from sensorpi.pipeline.job.message import LARGEST_MESSAGE_BYTES

#: Partition, offset, append time in ms, length of the key, length of the value. Big-endian, as Spark casts integers to
#: binary.
_HEAD = struct.Struct(">iqqii")
_NULL = -1

#: Partition, offset, append time in ms, key, value, and whether key and value are here: what is larger than
#: LARGEST_MESSAGE_BYTES is left in the JVM.
Message = tuple[int, int, int, bytes | None, bytes | None, bool]

Result = TypeVar("Result")


def map_partitions(messages: DataFrame, work: Callable[[Iterable[bytes]], Iterator[Result]]) -> list[Result]:
    """Have Python workers do ``work`` on the records of each partition of ``messages``; return all that they yield.

    ``messages`` has the columns of Spark's Kafka source.
    """
    context = messages.sparkSession.sparkContext
    encoder = context._jvm.org.apache.spark.sql.Encoders.BINARY()  # type: ignore[union-attr]
    records = getattr(messages.select(_record())._jdf, "as")(encoder).toJavaRDD()
    as_bytes = UTF8Deserializer(use_unicode=False)  # type: ignore[no-untyped-call]
    found: list[Result] = RDD(records, context, as_bytes).mapPartitions(work).collect()
    return found


def _record() -> Column:
    """One message as the bytes that ``unpack`` takes apart."""
    parts = [F.col("partition"), F.col("offset"), F.unix_millis("timestamp"), _length("key"), _length("value")]
    return F.concat(*(part.cast("binary") for part in parts), _if_small("key"), _if_small("value"))


def _length(column: str) -> Column:
    return F.coalesce(F.length(column), F.lit(_NULL))


def _if_small(column: str) -> Column:
    is_small = F.length(column) <= LARGEST_MESSAGE_BYTES
    return F.when(is_small, F.col(column)).otherwise(F.lit(b""))


def unpack(record: bytes) -> Message:
    """Take one record apart."""
    partition, offset, appended_ms, key_bytes, value_bytes = _HEAD.unpack_from(record)
    if key_bytes > LARGEST_MESSAGE_BYTES or value_bytes > LARGEST_MESSAGE_BYTES:
        return partition, offset, appended_ms, None, None, False
    value_at = _HEAD.size + (key_bytes if key_bytes > 0 else 0)
    key = record[_HEAD.size : value_at] if key_bytes != _NULL else None
    value = record[value_at:] if value_bytes != _NULL else None
    return partition, offset, appended_ms, key, value, True


def pack(message: Message) -> bytes:
    """The record of a message that is whole, as the JVM makes it."""
    partition, offset, appended_ms, key, value, _ = message
    lengths = [_NULL if part is None else len(part) for part in (key, value)]
    return _HEAD.pack(partition, offset, appended_ms, *lengths) + (key or b"") + (value or b"")
