"""Test batches, run through the job's own code before the first real batch.

A cold JVM and cold workers take seconds for what later takes 200 ms. Without this, the first readings would be late.
"""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812  (Spark's own convention)

from sensorpi.common.reading import OLDEST_TIMESTAMP_MS, Reading

#: When a stream's batches run: the arguments of Spark's ``DataStreamWriter.trigger``.
Trigger = dict[str, Any]

#: A rehearsal must not delay the start for longer than this.
_TIMEOUT_S = 60.0


def made_up_messages(session: SparkSession) -> DataFrame:
    """A stream of made-up readings with the columns of Spark's Kafka source, which does not need Kafka."""
    message = Reading("rehearsal", "rehearsal", "rehearsal", 1, OLDEST_TIMESTAMP_MS, {"heading": 0.0}).to_json()
    return (
        session.readStream.format("rate")
        .option("rowsPerSecond", 100)
        .option("numPartitions", 1)
        .load()
        .select(
            F.lit(0).alias("partition"), F.col("value").alias("offset"), "timestamp",
            F.lit(None).cast("binary").alias("key"), F.lit(message).alias("value"),
        )
    )  # fmt: skip


@contextmanager
def reading_internal_topics(session: SparkSession) -> Iterator[None]:
    """Within this context, streams can read Kafka's internal topics, which Spark ignores otherwise."""
    setting = "spark.sql.streaming.kafka.useDeprecatedOffsetFetching"
    session.conf.set(setting, "true")
    try:
        yield
    finally:
        session.conf.set(setting, "false")


def rehearse(
    records: DataFrame,
    batch: Callable[[DataFrame], None],
    times: int,
    trigger: Trigger,
    place: Path,
    stop: threading.Event,
) -> str:
    """Call ``batch`` with that many micro-batches of a stream of records, or with fewer if it ends or takes a minute.

    ``place`` is the folder of the stream's checkpoint meanwhile. Returns an error, or "". Most errors need no reaction
    here, because the real stream will have them, too.
    """
    done = 0

    def run(frame: DataFrame, _batch_id: int) -> None:
        nonlocal done
        if done < times:
            batch(frame)
            done += 1

    shutil.rmtree(place, ignore_errors=True)
    query = records.writeStream.foreachBatch(run).option("checkpointLocation", str(place)).trigger(**trigger).start()
    deadline = time.monotonic() + _TIMEOUT_S
    while done < times and query.isActive and time.monotonic() < deadline and not stop.wait(0.02):
        pass
    failure = query.exception()
    query.stop()
    shutil.rmtree(place, ignore_errors=True)
    return "" if failure is None else str(failure)
