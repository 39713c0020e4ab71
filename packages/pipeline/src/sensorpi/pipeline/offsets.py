"""The job's place in the log, kept in Kafka's own consumer group beside Spark's checkpoint.

Ordinary Kafka tools show the job's lag by it, and a job without a usable checkpoint starts there.
"""

import json
import logging
import threading

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from sensorpi.common.outage import Outage
from sensorpi.common.reading import TOPIC

GROUP = "sensorpi-job"
#: Kafka's own topic, which holds what all groups committed.
OFFSETS_TOPIC = "__consumer_offsets"
#: Spark's word for "the oldest there is" in a JSON of offsets.
EARLIEST = -2

_log = logging.getLogger(__name__)


class GroupOffsets:
    """Reads and commits the offsets of group `sensorpi-job` on topic `sensors`.

    A thread commits. The checkpoint is what counts for the stream, which must never wait for a
    coordinator that moves or is away.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        """Raises KafkaError when the brokers do not answer."""
        self._servers = bootstrap_servers.split(",")
        self._consumer = self._connect()
        self._outage = Outage(f"Committing the offsets of group {GROUP}", _log)
        self._due: dict[int, int] = {}
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="group offsets", daemon=True)
        self._thread.start()

    def starting_offsets(self) -> str:
        """Spark's `startingOffsets`: as committed; the oldest of a partition without a commit.

        Raises KafkaError when the brokers do not answer.
        """
        partitions = self._consumer.partitions_for_topic(TOPIC) or set()
        committed = {number: self._consumer.committed(TopicPartition(TOPIC, number)) for number in partitions}
        if not any(offset is not None for offset in committed.values()):
            return "earliest"
        return json.dumps(
            {TOPIC: {str(number): EARLIEST if offset is None else offset for number, offset in committed.items()}}
        )

    def commit_start(self) -> None:
        """At the first start of all, commit the oldest offsets, so that the group's lag shows before a message comes.

        Raises KafkaError when the brokers do not answer.
        """
        partitions = [TopicPartition(TOPIC, number) for number in self._consumer.partitions_for_topic(TOPIC) or set()]
        if partitions and all(self._consumer.committed(partition) is None for partition in partitions):
            oldest = self._consumer.beginning_offsets(partitions)
            _commit(self._consumer, {partition.partition: offset for partition, offset in oldest.items()})

    def has_unread(self) -> bool:
        """Whether the topic has messages behind what the group committed. Raises KafkaError."""
        numbers = self._consumer.partitions_for_topic(TOPIC) or set()
        ends = self._consumer.end_offsets([TopicPartition(TOPIC, number) for number in numbers])
        return any(end > (self._consumer.committed(partition) or 0) for partition, end in ends.items())

    def own_topic(self) -> dict[str, list[int]]:
        """The topic of committed offsets with its partitions: it has messages before any reading was sent."""
        partitions = self._consumer.partitions_for_topic(OFFSETS_TOPIC)
        return {OFFSETS_TOPIC: sorted(partitions)} if partitions else {}

    def commit(self, next_offsets: dict[int, int]) -> None:
        """Have committed where each partition's next message is, soon; the newest call counts."""
        self._due = self._due | next_offsets
        self._wake.set()

    def close(self) -> None:
        """Commit what is due, as far as a second allows, and leave."""
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout=1.0)
        self._consumer.close(autocommit=False, timeout_ms=1000)

    def _connect(self) -> KafkaConsumer:
        return KafkaConsumer(bootstrap_servers=self._servers, group_id=GROUP, enable_auto_commit=False)

    def _run(self) -> None:
        consumer: KafkaConsumer | None = None
        while not self._stop.is_set():
            self._wake.wait()
            self._wake.clear()
            try:
                consumer = consumer or self._connect()
                _commit(consumer, self._due)
            except KafkaError as error:
                if consumer is not None:
                    consumer.close(autocommit=False, timeout_ms=1000)
                    consumer = None
                if not self._stop.wait(self._outage.failed(repr(error))):
                    self._wake.set()
            else:
                self._outage.succeeded()


def _commit(consumer: KafkaConsumer, next_offsets: dict[int, int]) -> None:
    offsets = {
        TopicPartition(TOPIC, partition): OffsetAndMetadata(offset, "", -1)
        for partition, offset in next_offsets.items()
    }  # fmt: skip
    if offsets:
        consumer.assign(list(offsets))
        consumer.commit(offsets, timeout_ms=5000)
