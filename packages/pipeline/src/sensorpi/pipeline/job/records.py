"""The format in which a Kafka message is sent from Spark's JVM to a Python worker: one byte string.

Spark's own way, pickling rows in the JVM and unpickling them in Python, takes several times the CPU.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple, TypeVar

from pyspark import RDD, SparkContext
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


def records_of(messages: DataFrame) -> DataFrame:
    """The records, in one column, of ``messages``, which has the columns of Spark's Kafka source."""
    lengths = [_length("key", _NULL), _length("value", _NULL)]
    head = [F.col("partition"), F.col("offset"), F.unix_millis("timestamp"), *lengths]
    is_carried = _length("key", 0) + _length("value", 0) <= LARGEST_BYTES
    body = F.concat(*(F.coalesce(column, F.lit(b"")) for column in ("key", "value")))
    carried = F.when(is_carried, body).otherwise(b"")
    return messages.select(F.concat(*(number.cast("binary") for number in head), carried))


def _length(column: str, of_null: int) -> Column:
    return F.coalesce(F.length(column), F.lit(of_null))


def map_partitions(batch: DataFrame, work: Callable[[Iterable[bytes]], Iterator[Result]]) -> list[Result]:
    """Have Python workers run ``work`` on the records of each partition of ``batch``; return all that they yield.

    ``batch`` is what a stream of ``records_of`` gives to its ``foreachBatch``.
    """
    context = batch.sparkSession.sparkContext
    # A batch is an RDD of rows already. Through a DataFrame's methods Spark would plan a second query for each batch,
    # which takes more time than the messages of a small one.
    rows = batch._jdf.logicalPlan().rdd()
    byte_strings = rows.map(*_to_bytes(context)).toJavaRDD()
    as_bytes = UTF8Deserializer(use_unicode=False)  # type: ignore[no-untyped-call]
    # `collect` does the same, but Spark reads the bytes of its largest class for that, again for each batch.
    found: list[Result] = context.runJob(RDD(byte_strings, context, as_bytes), work)
    return found


@cache
def _to_bytes(context: SparkContext) -> tuple[Any, Any]:
    """In the JVM, the function from a row to the bytes in its only column, and their type."""
    jvm: Any = context._jvm
    encoder = jvm.org.apache.spark.sql.Encoders.BINARY()
    bound = encoder.resolveAndBind(*(getattr(encoder, f"resolveAndBind$default${number}")() for number in (1, 2)))
    return bound.createDeserializer(), bound.clsTag()


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
