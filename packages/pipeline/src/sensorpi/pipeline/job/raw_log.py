"""Reads a partition of topic `sensors` batch by batch, without decompressing anything."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError, for_code
from kafka.protocol.consumer import FetchRequest

from sensorpi.common.kafka.client import open_client
from sensorpi.common.reading import TOPIC
from sensorpi.pipeline.job.record_batches import Batch, batches

#: The compressed size of one answer. A larger batch is returned whole all the same.
_FETCH_BYTES = 1024 * 1024
_CONNECT_S = 10.0
_READ_COMMITTED = 1
#: The newest version that names topics, not their ids.
_FETCH_VERSION = 11


class RawLog:
    """A connection to the brokers; use it as a context manager. Every method raises KafkaError."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._consumer = open_client(KafkaConsumer, bootstrap_servers, _CONNECT_S, enable_auto_commit=False)
        self._consumer.partitions_for_topic(TOPIC)  # fetches the metadata

    def __enter__(self) -> "RawLog":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._consumer.close(autocommit=False, timeout_ms=1000)

    def batches(self, partition: int, offset: int) -> Iterator[Batch]:
        """The committed batches from the one with this offset up to the log's end, without transaction markers."""
        aborted: set[int] = set()
        while True:
            data, aborts = self._fetch(partition, offset)
            found = list(batches(data))
            if not found:
                return
            for batch in found:
                aborted |= {producer_id for producer_id, first in aborts if first <= batch.last_offset}
                aborts = [(producer_id, first) for producer_id, first in aborts if first > batch.last_offset]
                if batch.is_control:
                    aborted.discard(batch.producer_id)
                elif not (batch.is_transactional and batch.producer_id in aborted):
                    yield batch
            offset = found[-1].last_offset + 1

    def _fetch(self, partition: int, offset: int) -> tuple[bytes, list[tuple[int, int]]]:
        """The batches at an offset, as they are in the log, and the aborted transactions: (producer id, offset)."""
        topic = FetchRequest.FetchTopic
        place = topic.FetchPartition(
            partition=partition, current_leader_epoch=-1, fetch_offset=offset, last_fetched_epoch=-1,
            log_start_offset=-1, partition_max_bytes=_FETCH_BYTES,
        )  # fmt: skip
        request = FetchRequest(
            max_wait_ms=500, min_bytes=1, max_bytes=_FETCH_BYTES, isolation_level=_READ_COMMITTED,
            session_id=0, session_epoch=-1, topics=[topic(topic=TOPIC, partitions=[place])],
            forgotten_topics_data=[], rack_id="", max_version=_FETCH_VERSION,
        )  # fmt: skip
        [answer] = self._ask(partition, request).responses[0].partitions
        if answer.error_code:
            raise for_code(answer.error_code)(f"partition {partition} at offset {offset}")
        aborts = [(each.producer_id, each.first_offset) for each in answer.aborted_transactions or []]
        return bytes(answer.records or b""), aborts

    def _ask(self, partition: int, request: FetchRequest) -> Any:
        manager = self._consumer._client._manager  # kafka-python's consumer itself decompresses what it fetches
        leader = manager.cluster.leader_for_partition(TopicPartition(TOPIC, partition))

        async def ask() -> Any:
            return await manager.send(request, node_id=leader)

        deadline = time.monotonic() + _CONNECT_S
        while True:
            try:
                return manager.run(ask)
            except KafkaError as error:  # not connected to this node yet, for example
                if not error.retriable:
                    raise
                if time.monotonic() > deadline:
                    raise KafkaTimeoutError(f"partition {partition}: {error!r}") from error
                time.sleep(0.2)
