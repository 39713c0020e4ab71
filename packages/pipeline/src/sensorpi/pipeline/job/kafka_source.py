"""Spark's Kafka source, as the job reads it: the options that are not Spark's defaults, and why."""

import json
from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame, SparkSession

from sensorpi.common.reading import TOPIC
from sensorpi.pipeline.job.records import records_of

#: What is read: the topic of all readings, whatever partitions it gets.
SENSORS = {"subscribe": TOPIC}


def partitions(topic: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """What is read: the given partitions of topics."""
    return {"assign": json.dumps(topic)}


def open_records(
    session: SparkSession,
    bootstrap_servers: str,
    what: Mapping[str, str],
    starting_offsets: str,
    most: int,
    one_by_one: bool = False,
) -> DataFrame:
    """A stream of records (`records.py`), with at most ``most`` messages in a batch.

    ``what`` is ``SENSORS`` or what ``partitions`` returns. ``one_by_one`` has the consumer hand over one message at a
    time, because more may be too much for the heap (`oversized.py`).
    """
    messages = (
        session.readStream.format("kafka")
        .option("kafka.bootstrap.servers", bootstrap_servers)
        .options(**what)
        .option("startingOffsets", starting_offsets)
        .option("maxOffsetsPerTrigger", most)
        .option("kafka.max.poll.records", 1 if one_by_one else 500)
        # Deleted messages are counted and logged (`losses.py`); they must not end the stream.
        .option("failOnDataLoss", "false")
        # What the producer of a transaction takes back is not a reading.
        .option("kafka.isolation.level", "read_committed")
        # A batch consists of what is in the log already. Spark's consumer reads up to the log's end, and there a
        # fetch waits for more messages, which would delay every small batch by Kafka's default of 500 ms.
        .option("kafka.fetch.max.wait.ms", "10")
        # A broker without power does not answer, and another one becomes the leader after ten seconds. With Kafka's
        # defaults, 30 s for a request and 60 s with all retries, the stream stopped for a minute. A batch that is
        # running polls four times, and with Spark's default of two minutes for each the watchdog would end the job.
        .option("kafkaConsumer.pollTimeoutMs", "15000")
        .option("kafka.request.timeout.ms", "8000")
        .option("kafka.default.api.timeout.ms", "10000")
        .option("kafka.socket.connection.setup.timeout.ms", "3000")
        .option("kafka.socket.connection.setup.timeout.max.ms", "6000")
        .load()
    )
    return records_of(messages)
