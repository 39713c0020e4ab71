"""The job's place in the log, kept in Kafka's own consumer group beside Spark's checkpoint.

Ordinary Kafka tools show the job's lag by it, and a job without a usable checkpoint starts there.
"""

import json
import logging

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
    """Reads and commits the offsets of group `sensorpi-job` on topic `sensors`."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap_servers.split(","), group_id=GROUP, enable_auto_commit=False
        )
        self._outage = Outage(f"Committing the offsets of group {GROUP}", _log)

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
            self.commit({partition.partition: offset for partition, offset in oldest.items()})

    def own_topic(self) -> dict[str, list[int]]:
        """The topic of committed offsets with its partitions: it has messages before any reading was sent."""
        partitions = self._consumer.partitions_for_topic(OFFSETS_TOPIC)
        return {OFFSETS_TOPIC: sorted(partitions)} if partitions else {}

    def commit(self, next_offsets: dict[int, int]) -> None:
        """Commit where each partition's next message is.

        A failure is only logged: the checkpoint is what counts, and the next batch commits again.
        """
        offsets = {
            TopicPartition(TOPIC, partition): OffsetAndMetadata(offset, "", -1)
            for partition, offset in next_offsets.items()
        }
        try:
            self._consumer.assign(list(offsets))
            self._consumer.commit(offsets, timeout_ms=5000)
        except KafkaError as error:
            self._outage.failed(repr(error))
        else:
            self._outage.succeeded()

    def close(self) -> None:
        """Leave without committing anything further."""
        self._consumer.close(autocommit=False, timeout_ms=1000)
