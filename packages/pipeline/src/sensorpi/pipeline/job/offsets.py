"""The job's position in the log, kept in a Kafka consumer group in addition to Spark's checkpoint.

Ordinary Kafka tools show the job's lag by it, and a job without a usable checkpoint starts there. It is also a lock, so
that only one job runs: the newest start writes its claim into the offsets' metadata, and an older job that finds it
there has to stop. An older job that its supervisor starts again does not take over from a newer one that is alive:
otherwise it would stop the newer one, whose supervisor would start that again, and so on.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaAdminClient, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError, UnknownTopicOrPartitionError

from sensorpi.common.daemon.outage import Outage
from sensorpi.common.errors import UserError
from sensorpi.common.kafka.client import open_client
from sensorpi.common.reading import TOPIC
from sensorpi.pipeline.job.claim import Claim, Superseded, load_claim, save_claim

GROUP = "sensorpi-job"
#: Kafka's own topic with the committed offsets of all groups.
OFFSETS_TOPIC = "__consumer_offsets"
#: Spark's number for the oldest offset, in a JSON of offsets.
EARLIEST = -2

#: Seconds between two checks whether a newer job was started.
_CHECK_EVERY_S = 2.0
#: How long the brokers may take to answer. After that a new connection is opened, as the old one may be dead.
_ANSWER_MS = 5000
#: A job commits at least this often, in seconds, even if nothing has changed. It counts as alive for _ALIVE_S seconds
#: after that.
_BEAT_S = 10.0
_ALIVE_S = 25.0
_CONNECT_S = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Log:
    """The topic's log. A topic that was created again has another id; ``ends`` are the next offsets by partition."""

    id: str
    ends: dict[int, int]


class GroupOffsets:
    """Reads and commits the offsets of group `sensorpi-job` on topic `sensors`, as long as no newer job does.

    A thread commits them. The stream itself depends on the checkpoint only: it must not wait for a coordinator that
    moves or is unavailable.
    """

    def __init__(
        self, bootstrap_servers: str, node: str, checkpoint: str, memory: Path, superseded: Callable[[Claim], None]
    ) -> None:
        """``superseded`` is called once, from a thread, when a newer job was started and commits offsets.

        ``memory`` is the folder in which this job's claim is saved. The rest is as in ``Claim``.
        """
        self._servers = bootstrap_servers
        self._node = node
        self._checkpoint = checkpoint
        self._claim_file = memory / "claim.json"
        self._superseded = superseded
        #: Set when the brokers have lost what was committed. The topic may be another one of the same name then.
        self.forgotten = threading.Event()
        self._outage = Outage(f"Committing the offsets of group {GROUP}", _log, longest_s=5.0)
        self._claim = Claim.after(None, node, checkpoint)
        #: What a newer claim was first seen with, and when: it counts once its job commits again.
        self._newer_seen: tuple[dict[TopicPartition, OffsetAndMetadata], float] | None = None
        self._due: dict[int, int] = {}
        #: By partition, the offsets that were committed when this job took over.
        self.positions: dict[int, int] = {}
        self._beats = 0
        self._next_beat = 0.0
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def take_over(self, stop: threading.Event) -> Claim | None:
        """Become the newest job, and return the claim of the previous one, if there was one.

        The committed offsets stay. For a partition that has none, the oldest offset is committed, so that the group's
        lag can be seen before the first message. A job that is started again, although a newer one was started since,
        first waits to see whether the newer one is alive.

        Raises Superseded if it is, and KafkaError when the brokers do not answer or the topic does not exist yet.
        """
        with self._asking() as consumer:
            partitions = _partitions(consumer)
            if not partitions:
                raise UnknownTopicOrPartitionError(f"topic {TOPIC} does not exist yet")
            committed = _committed(consumer, partitions)
            previous = max(_claims(committed).values(), default=None)
            own_last = load_claim(self._claim_file)
            is_older = previous is not None and own_last is not None and previous > own_last
            if previous is not None and is_older and _is_alive(consumer, committed, stop):
                raise Superseded(previous)
            oldest = consumer.beginning_offsets(partitions, timeout_ms=_ANSWER_MS)
            offsets = {each: committed[each].offset if each in committed else oldest[each] for each in partitions}
            self._due = {partition.partition: offset for partition, offset in offsets.items()}
            self.positions = dict(self._due)
            self._claim = Claim.after(previous, self._node, self._checkpoint)
            save_claim(self._claim_file, self._claim)
            self._commit(consumer)
        self._next_beat = time.monotonic() + _CHECK_EVERY_S  # soon: an older job ends when this one commits again
        self._thread = threading.Thread(target=self._run, name="group offsets", daemon=True)
        self._thread.start()
        return previous

    def starting_offsets(self) -> str:
        """Spark's `startingOffsets`: the committed offsets, or those that are to be committed; else the oldest.

        Raises KafkaError when the brokers do not answer.
        """
        with self._asking() as consumer:
            partitions = _partitions(consumer)
            committed = _committed(consumer, partitions)
        offsets = {each.partition: committed[each].offset if each in committed else EARLIEST for each in partitions}
        offsets |= {partition: offset for partition, offset in self._due.items() if partition in offsets}
        return json.dumps({TOPIC: {str(partition): offset for partition, offset in offsets.items()}})

    def start_over(self) -> str:
        """Spark's `startingOffsets` for the oldest messages, which are committed as well. Raises KafkaError."""
        with self._asking() as consumer:
            partitions = _partitions(consumer)
            oldest = consumer.beginning_offsets(partitions, timeout_ms=_ANSWER_MS)
        self._due = {partition.partition: offset for partition, offset in oldest.items()}
        self._wake.set()
        return json.dumps({TOPIC: {str(each.partition): EARLIEST for each in partitions}})

    def log_starts(self) -> dict[int, int]:
        """The oldest offset of each partition. Raises KafkaError when the brokers do not answer."""
        with self._asking() as consumer:
            oldest = consumer.beginning_offsets(_partitions(consumer), timeout_ms=_ANSWER_MS)
        return {partition.partition: offset for partition, offset in oldest.items()}

    def log(self) -> Log:
        """The topic as it is now. Raises KafkaError when the brokers do not answer or the topic does not exist."""
        with open_client(KafkaAdminClient, self._servers, _CONNECT_S, request_timeout_ms=_ANSWER_MS) as admin:
            [topic] = admin.describe_topics([TOPIC])
        if topic["error_code"] or not topic["partitions"]:
            raise UnknownTopicOrPartitionError(f"topic {TOPIC} does not exist")
        partitions = [TopicPartition(TOPIC, partition["partition_index"]) for partition in topic["partitions"]]
        with self._asking() as consumer:
            ends = consumer.end_offsets(partitions, timeout_ms=_ANSWER_MS)
        return Log(str(topic["topic_id"]), {partition.partition: end for partition, end in ends.items()})

    def has_unread(self) -> bool:
        """Whether the topic has messages that are not committed. Raises KafkaError."""
        with self._asking() as consumer:
            partitions = _partitions(consumer)
            ends = consumer.end_offsets(partitions, timeout_ms=_ANSWER_MS)
            committed = _committed(consumer, partitions)
        return any(end > (committed[each].offset if each in committed else 0) for each, end in ends.items())

    def own_topic(self) -> dict[str, list[int]]:
        """The topic of the committed offsets, with its partitions. It has messages even before the first reading.

        Raises KafkaError when the brokers do not answer.
        """
        with self._asking() as consumer:
            partitions = consumer.partitions_for_topic(OFFSETS_TOPIC)
        return {OFFSETS_TOPIC: sorted(partitions)} if partitions else {}

    @property
    def reached(self) -> dict[int, int]:
        """By partition, the offset of the next message, committed or to be committed."""
        return dict(self._due)

    def commit(self, next_offsets: dict[int, int]) -> None:
        """Have the offset of each partition's next message committed soon. The newest call counts."""
        self._due = self._due | next_offsets
        self._wake.set()

    def close(self) -> None:
        """Commit what is due, if that takes less than a second, and stop."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    @contextmanager
    def _asking(self) -> Iterator[KafkaConsumer]:
        """A new client for each use: one that was open while the brokers froze gets no answers for minutes after it."""
        consumer = self._connect()
        try:
            yield consumer
        finally:
            consumer.close(autocommit=False, timeout_ms=1000)

    def _connect(self) -> KafkaConsumer:
        return open_client(KafkaConsumer, self._servers, _CONNECT_S, group_id=GROUP, enable_auto_commit=False)

    def _run(self) -> None:
        consumer: KafkaConsumer | None = None
        newer: Claim | None = None
        while newer is None and not self._stop.is_set():
            is_due = self._wake.wait(_CHECK_EVERY_S)
            self._wake.clear()
            try:
                consumer = consumer or self._connect()
                newer = self._check_and_commit(consumer, is_due)
            except KafkaError as error:
                self._newer_seen = None  # it may not be able to commit either
                if consumer is not None:
                    consumer.close(autocommit=False, timeout_ms=1000)
                    consumer = None
                if not self._stop.wait(self._outage.failed(repr(error))):
                    self._wake.set()
            else:
                self._outage.succeeded()
        if newer is not None:
            self._superseded(newer)

    def _check_and_commit(self, consumer: KafkaConsumer, is_due: bool) -> Claim | None:
        """Return the claim of a newer job. If there is none, commit what is due or what an older job overwrote."""
        partitions = [TopicPartition(TOPIC, number) for number in self._due]
        committed = _committed(consumer, partitions)
        claims = _claims(committed)
        if not claims:  # committed offsets are lost with their topic, and with the brokers' disks
            self.forgotten.set()
        newest = max(claims.values(), default=self._claim)
        if newest > self._claim:
            return self._newer_or_dead(consumer, newest, committed)
        self._newer_seen = None
        is_due = is_due or time.monotonic() >= self._next_beat
        if is_due or any(claims.get(partition) != self._claim for partition in partitions):
            self._commit(consumer)
        return None

    def _newer_or_dead(
        self, consumer: KafkaConsumer, newest: Claim, committed: dict[TopicPartition, OffsetAndMetadata]
    ) -> Claim | None:
        """Return the newer claim once its job has committed again.

        A claim whose job does not is forged, or its job has ended: this job replaces it and continues.
        """
        if self._newer_seen is None:
            self._newer_seen = committed, time.monotonic()
        seen, since_s = self._newer_seen
        if committed != seen:
            return newest
        if time.monotonic() - since_s < _ALIVE_S:
            return None
        _log.warning(
            "The job's start number %d, on %s, has committed nothing more for %.0f s: this job continues.",
            newest.epoch, newest.node[:100], _ALIVE_S,
        )  # fmt: skip
        self._newer_seen = None
        self._claim = Claim.after(newest, self._node, self._checkpoint)
        try:
            save_claim(self._claim_file, self._claim)
        except UserError as error:  # such as a full disk; only the next start needs it
            _log.warning("%s", error)
        self._commit(consumer)
        return None

    def _commit(self, consumer: KafkaConsumer) -> None:
        self._beats += 1
        metadata = self._claim.to_metadata(self._beats)
        offsets = {
            TopicPartition(TOPIC, partition): OffsetAndMetadata(offset, metadata, -1)
            for partition, offset in self._due.items()
        }  # fmt: skip
        consumer.assign(list(offsets))
        consumer.commit(offsets, timeout_ms=_ANSWER_MS)
        self._next_beat = time.monotonic() + _BEAT_S


def _partitions(consumer: KafkaConsumer) -> list[TopicPartition]:
    return [TopicPartition(TOPIC, number) for number in sorted(consumer.partitions_for_topic(TOPIC) or ())]


def _is_alive(
    consumer: KafkaConsumer, committed: dict[TopicPartition, OffsetAndMetadata], stop: threading.Event
) -> bool:
    """Whether the job that committed these offsets commits again."""
    deadline = time.monotonic() + _ALIVE_S
    while time.monotonic() < deadline and not stop.wait(1.0):
        if _committed(consumer, list(committed)) != committed:
            return True
    return False


def _committed(consumer: KafkaConsumer, partitions: list[TopicPartition]) -> dict[TopicPartition, OffsetAndMetadata]:
    """The group's committed offsets, for the partitions that have one."""
    found = {each: consumer.committed(each, metadata=True, timeout_ms=_ANSWER_MS) for each in partitions}
    return {each: committed for each, committed in found.items() if committed is not None and committed.offset >= 0}


def _claims(committed: dict[TopicPartition, OffsetAndMetadata]) -> dict[TopicPartition, Claim]:
    found = {partition: Claim.from_metadata(each.metadata) for partition, each in committed.items()}
    return {partition: claim for partition, claim in found.items() if claim is not None}
