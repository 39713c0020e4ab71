"""The job's place in the log, kept in Kafka's own consumer group beside Spark's checkpoint.

Ordinary Kafka tools show the job's lag by it, and a job without a usable checkpoint starts there. It is also the lock
that leaves one job running: the newest start writes its claim beside the offsets, and an older one that finds it there
has to end. A job that was started before, and is started again by its supervisor, takes nothing from a newer one that
is alive: it would end the newer one, whose supervisor would start it again, and so on.
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
from sensorpi.common.kafka.client import open_client
from sensorpi.common.reading import TOPIC
from sensorpi.pipeline.job.claim import Claim, Superseded, load_claim, save_claim

GROUP = "sensorpi-job"
#: Kafka's own topic, which holds what all groups committed.
OFFSETS_TOPIC = "__consumer_offsets"
#: Spark's word for "the oldest there is" in a JSON of offsets.
EARLIEST = -2

#: How often a job looks whether a newer one was started, in seconds, and how long the brokers may take to answer. An
#: answer that does not come is asked for over a new connection, which is there as soon as the network is.
_LOOK_EVERY_S = 2.0
_ANSWER_MS = 5000
#: A job commits at least so often, in seconds, even the same again, and counts as alive for so long after it.
_BEAT_S = 10.0
_ALIVE_S = 25.0
_CONNECT_S = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Log:
    """The topic's messages. A topic that was made anew has another id; ``ends`` are the next offsets by partition."""

    id: str
    ends: dict[int, int]


class GroupOffsets:
    """Reads and commits the offsets of group `sensorpi-job` on topic `sensors`, for as long as no newer job does.

    A thread commits. The checkpoint is what counts for the stream, which must never wait for a
    coordinator that moves or is away.
    """

    def __init__(
        self, bootstrap_servers: str, node: str, checkpoint: str, memory: Path, superseded: Callable[[Claim], None]
    ) -> None:
        """``superseded`` is called once, from a thread, when a newer job was started; ``memory`` remembers this one.

        The rest is as in ``Claim``.
        """
        self._servers = bootstrap_servers
        self._node = node
        self._checkpoint = checkpoint
        self._claim_file = memory / "claim.json"
        self._superseded = superseded
        #: Set when the brokers have nothing any more of what was committed: the topic may be another one by that name.
        self.forgotten = threading.Event()
        self._outage = Outage(f"Committing the offsets of group {GROUP}", _log, longest_s=5.0)
        self._due: dict[int, int] = {}
        #: By partition, the offsets that were committed when this job took over.
        self.positions: dict[int, int] = {}
        self._beats = 0
        self._next_beat = 0.0
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def take_over(self, stop: threading.Event) -> Claim | None:
        """Be the newest job from now on, and return the claim of the one before, if there was one.

        What was committed stays; a partition without gets its oldest offset, so that the group's lag shows before a
        message comes. A job that is started again, after a newer one was, first waits whether that is alive.

        Raises Superseded when it is, and KafkaError when the brokers do not answer or the topic is not there yet.
        """
        with self._asking() as consumer:
            partitions = _partitions(consumer)
            if not partitions:
                raise UnknownTopicOrPartitionError(f"topic {TOPIC} is not there yet")
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
            claim = Claim.after(previous, self._node, self._checkpoint)
            save_claim(self._claim_file, claim)
            self._commit(consumer, claim)
        self._thread = threading.Thread(target=self._run, args=(claim,), name="group offsets", daemon=True)
        self._thread.start()
        return previous

    def starting_offsets(self) -> str:
        """Spark's `startingOffsets`: as committed; the oldest of a partition without a commit.

        Raises KafkaError when the brokers do not answer.
        """
        with self._asking() as consumer:
            partitions = _partitions(consumer)
            committed = _committed(consumer, partitions)
        offsets = {each: committed[each].offset if each in committed else EARLIEST for each in partitions}
        return json.dumps({TOPIC: {str(each.partition): offset for each, offset in offsets.items()}})

    def start_anew(self) -> str:
        """Forget every place: Spark's `startingOffsets` are the oldest messages. Raises KafkaError."""
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
        """The topic as it is now. Raises KafkaError when the brokers do not answer or the topic is not there."""
        with open_client(KafkaAdminClient, self._servers, _CONNECT_S, request_timeout_ms=_ANSWER_MS) as admin:
            [topic] = admin.describe_topics([TOPIC])
        if topic["error_code"] or not topic["partitions"]:
            raise UnknownTopicOrPartitionError(f"topic {TOPIC} is not there")
        partitions = [TopicPartition(TOPIC, partition["partition_index"]) for partition in topic["partitions"]]
        with self._asking() as consumer:
            ends = consumer.end_offsets(partitions, timeout_ms=_ANSWER_MS)
        return Log(str(topic["topic_id"]), {partition.partition: end for partition, end in ends.items()})

    def has_unread(self) -> bool:
        """Whether the topic has messages behind what the group committed. Raises KafkaError."""
        with self._asking() as consumer:
            partitions = _partitions(consumer)
            ends = consumer.end_offsets(partitions, timeout_ms=_ANSWER_MS)
            committed = _committed(consumer, partitions)
        return any(end > (committed[each].offset if each in committed else 0) for each, end in ends.items())

    def own_topic(self) -> dict[str, list[int]]:
        """The topic of committed offsets with its partitions: it has messages before any reading was sent.

        Raises KafkaError when the brokers do not answer.
        """
        with self._asking() as consumer:
            partitions = consumer.partitions_for_topic(OFFSETS_TOPIC)
        return {OFFSETS_TOPIC: sorted(partitions)} if partitions else {}

    def commit(self, next_offsets: dict[int, int]) -> None:
        """Have committed where each partition's next message is, soon; the newest call counts."""
        self._due = self._due | next_offsets
        self._wake.set()

    def close(self) -> None:
        """Commit what is due, as far as a second allows, and leave."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    @contextmanager
    def _asking(self) -> Iterator[KafkaConsumer]:
        """A client of the moment: one from before the brokers froze got no answer for minutes after it."""
        consumer = self._connect()
        try:
            yield consumer
        finally:
            consumer.close(autocommit=False, timeout_ms=1000)

    def _connect(self) -> KafkaConsumer:
        return open_client(KafkaConsumer, self._servers, _CONNECT_S, group_id=GROUP, enable_auto_commit=False)

    def _run(self, claim: Claim) -> None:
        consumer: KafkaConsumer | None = None
        newer: Claim | None = None
        while newer is None and not self._stop.is_set():
            is_due = self._wake.wait(_LOOK_EVERY_S)
            self._wake.clear()
            try:
                consumer = consumer or self._connect()
                newer = self._look_and_commit(consumer, claim, is_due)
            except KafkaError as error:
                if consumer is not None:
                    consumer.close(autocommit=False, timeout_ms=1000)
                    consumer = None
                if not self._stop.wait(self._outage.failed(repr(error))):
                    self._wake.set()
            else:
                self._outage.succeeded()
        if newer is not None:
            self._superseded(newer)

    def _look_and_commit(self, consumer: KafkaConsumer, claim: Claim, is_due: bool) -> Claim | None:
        """Return the claim of a newer job; without one, commit what is due or what an older job wrote over."""
        partitions = [TopicPartition(TOPIC, number) for number in self._due]
        claims = _claims(_committed(consumer, partitions))
        if not claims:  # with a topic, and with the brokers' disks, goes what groups committed
            self.forgotten.set()
        newest = max(claims.values(), default=claim)
        if newest > claim:
            return newest
        is_due = is_due or time.monotonic() >= self._next_beat
        if is_due or any(claims.get(partition) != claim for partition in partitions):
            self._commit(consumer, claim)
        return None

    def _commit(self, consumer: KafkaConsumer, claim: Claim) -> None:
        self._beats += 1
        metadata = claim.to_metadata(self._beats)
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
    """Whether the job that committed this commits again."""
    deadline = time.monotonic() + _ALIVE_S
    while time.monotonic() < deadline and not stop.wait(1.0):
        if _committed(consumer, list(committed)) != committed:
            return True
    return False


def _committed(consumer: KafkaConsumer, partitions: list[TopicPartition]) -> dict[TopicPartition, OffsetAndMetadata]:
    """What the group committed, of the partitions that have something."""
    found = {each: consumer.committed(each, metadata=True, timeout_ms=_ANSWER_MS) for each in partitions}
    return {each: committed for each, committed in found.items() if committed is not None and committed.offset >= 0}


def _claims(committed: dict[TopicPartition, OffsetAndMetadata]) -> dict[TopicPartition, Claim]:
    found = {partition: Claim.from_metadata(each.metadata) for partition, each in committed.items()}
    return {partition: claim for partition, claim in found.items() if claim is not None}
