"""The Spark job: topic `sensors` → InfluxDB, one pass, until it is told to stop."""

import logging
import os
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kafka.errors import KafkaError
from py4j.protocol import Py4JError
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.daemon import service
from sensorpi.common.daemon.outage import Outage
from sensorpi.pipeline.influx.client import MESSAGE_PACK, WRITER, open_client
from sensorpi.pipeline.job import checkpoint, oversized, sink
from sensorpi.pipeline.job.admission import Admission
from sensorpi.pipeline.job.attempts import Attempts
from sensorpi.pipeline.job.batch import Attempt, BatchSettler
from sensorpi.pipeline.job.claim import Claim, Superseded
from sensorpi.pipeline.job.deleted_letters import DeletedLetters, first_offset
from sensorpi.pipeline.job.executors import Executors, check_versions, wait_for_master
from sensorpi.pipeline.job.figures import Figures
from sensorpi.pipeline.job.kafka_source import SENSORS, open_records, partitions
from sensorpi.pipeline.job.losses import Losses
from sensorpi.pipeline.job.offsets import GroupOffsets
from sensorpi.pipeline.job.oversized import Starts
from sensorpi.pipeline.job.place import find_place
from sensorpi.pipeline.job.records import map_partitions, records_of
from sensorpi.pipeline.job.rehearsal import Trigger, made_up_messages, reading_internal_topics, rehearse
from sensorpi.pipeline.job.rollup import Rollup
from sensorpi.pipeline.job.sink import SinkConfig
from sensorpi.pipeline.job.spark_master import SparkMaster
from sensorpi.pipeline.job.spark_session import Driver, open_driver
from sensorpi.pipeline.job.stopping import end_in_time

_log = logging.getLogger(__name__)

#: The maximum time for the end of a job that was superseded, in seconds.
_END_S = 20.0
#: How long an older job that can reach Kafka takes to notice that it has to stop, in seconds.
_OLD_JOB_S = 5.0

#: How often it is checked whether the stream is active and makes progress, in seconds.
_CHECK_EVERY_S = 1.0

#: After so many starts at the same offsets, the next one looks for messages that are too large for the JVM.
_STARTS_WITHOUT_PROGRESS = 2

#: Part of the error text when the stream ended because Kafka became unavailable during a batch.
_KAFKA_FAULT = "org.apache.kafka.common.errors."


@dataclass(frozen=True)
class JobConfig:
    """The settings of the job."""

    sink: SinkConfig
    #: The folder of Spark's scratch files.
    state: Path
    #: The folder of what a later start can use, and can do without.
    cache: Path
    checkpoint: Path
    jars: Path
    #: The node's name, for the dashboards.
    host: str
    trigger_ms: int
    max_offsets_per_trigger: int
    heap_mb: int
    master: SparkMaster
    #: The folder of the job's last claim. A job that is started again finds it there; one that the operator or the
    #: scheduler starts elsewhere does not.
    memory: Path
    #: As in ``Admission``.
    max_sensors: int
    nodes: frozenset[str]
    #: Whether the next job may find this checkpoint on another node.
    checkpoint_is_shared: bool = False


def run(config: JobConfig, stop: threading.Event) -> Claim | None:
    """Run until ``stop`` is set, or until a newer job was started elsewhere, whose claim is returned then.

    Retries while Kafka, InfluxDB or Spark's cluster is unavailable. Raises UserError when Spark does not start, or
    when the cluster ended the job.
    """
    wait_for_master(config.master, stop)
    if stop.is_set():
        return None
    ended = threading.Event()
    threading.Thread(target=end_in_time, args=(stop, ended), name="end-in-time", daemon=True).start()
    driver = open_driver(config.state / "spark", config.cache, config.jars, config.master, config.heap_mb)
    client = open_client(config.sink.influxdb, WRITER, config.sink.writer_password)
    # It takes a Pi some seconds to list thousands of series.
    patient = open_client(config.sink.influxdb, WRITER, config.sink.writer_password, timeout_s=60.0)
    admission = Admission(patient, config.max_sensors, config.nodes)
    rollup = Rollup(
        open_client(config.sink.influxdb, WRITER, config.sink.writer_password, timeout_s=60.0, accept=MESSAGE_PACK),
        admission.stored,
    )
    threading.Thread(target=rollup.run, args=(stop,), name="rollup", daemon=True).start()
    figures = Figures(client, config.host)
    deleted = DeletedLetters(
        partial(first_offset, config.sink.bootstrap_servers), config.state, partial(figures.event, "dead letters")
    )
    threading.Thread(target=deleted.run, args=(stop,), name="deleted letters", daemon=True).start()
    job = _Job(config, driver, admission, rollup, figures, stop)
    try:
        return job.run()
    finally:
        driver.close()
        ended.set()


class _Job:
    def __init__(
        self,
        config: JobConfig,
        driver: Driver,
        admission: Admission,
        rollup: Rollup,
        figures: Figures,
        stop: threading.Event,
    ) -> None:
        self._config = config
        self._jvm = driver.jvm
        self._session = driver.session
        self._archiving = threading.Thread(target=driver.classes.make, args=(stop,), name="class archive", daemon=True)
        self._losses = Losses(self._log_starts, partial(figures.event, "lost"))
        self._settler = BatchSettler(config.sink, stop, self._losses)
        self._attempts = Attempts(self._session.sparkContext, admission, rollup, self._partitions)
        self._figures = figures
        self._stop = stop
        self._executors = Executors(self._session, config.master)
        self._starts = Starts(config.state)
        #: The offsets at which the stream reads one message at a time, for one batch.
        self._careful_at: dict[int, int] | None = None
        self._kafka = Outage("Reading from Kafka", _log, longest_s=10.0)
        self._group: GroupOffsets | None = None
        self._newer: Claim | None = None
        self._query: StreamingQuery | None = None
        self._rehearsed = False
        self._stored = 0
        self._dead_lettered = 0

    def run(self) -> Claim | None:
        self._executors.wait_for_first(self._stop)
        if not self._messages_wait():
            # Kafka may still be starting, and this does not need it.
            made_up = records_of(made_up_messages(self._session))
            self._rehearse(made_up, times=1, trigger={"processingTime": "0 seconds"})
        while not self._stop.is_set():
            try:
                group = self._group or self._take_over()
                self._query = self._start(group)
                self._watch(self._query, group)
            except Superseded as error:
                self._end_for(error.newer)
            except (StreamingQueryException, KafkaError, Py4JError, ConnectionError) as error:
                if not self._stop.is_set():
                    self._stop.wait(self._failed(error))
        service.notify(stopping=True)
        self._starts.forget()
        if self._group is not None:
            self._group.close()
        return self._newer

    def _messages_wait(self) -> bool:
        """Whether there are messages to read already: a rehearsal would only delay them."""
        try:
            return self._take_over().has_unread()
        except (KafkaError, Superseded):
            return False  # the first try to start the stream has the same error

    def _end_for(self, newer: Claim) -> None:
        """Stop, because a newer job was started. Also called from the thread that checks for one."""
        self._newer = newer
        self._stop.set()
        # A batch may wait for what is unavailable, and a supervisor that kills this job would start it again.
        ending = threading.Timer(_END_S, os._exit, (ExitCode.SUPERSEDED,))
        ending.daemon = True
        ending.start()

    def _rehearse(self, records: DataFrame, times: int, trigger: Trigger) -> None:
        def batch(frame: DataFrame) -> None:
            map_partitions(frame, partial(sink.rehearse, config=self._config.sink))

        place = self._config.state / "rehearsal"
        check_versions(rehearse(records, batch, times, trigger, place, self._stop))

    def _rehearse_on_kafka(self, topic: dict[str, list[int]]) -> None:
        """Rehearse on Kafka, unless there are messages to read already."""
        if topic and not (self._group is not None and self._group.has_unread()):
            with reading_internal_topics(self._session):
                servers = self._config.sink.bootstrap_servers
                records = open_records(self._session, servers, partitions(topic), "earliest", most=1)
                self._rehearse(records, times=3, trigger={"availableNow": True})

    def _start(self, group: GroupOffsets) -> StreamingQuery:
        place = self._config.checkpoint
        checkpoint.heal(place)
        if not self._rehearsed:
            self._rehearse_on_kafka(group.own_topic())
            self._rehearsed = True
        topic_id, starting_offsets = find_place(place, group)
        is_careful = self._starts.count(group.reached) > _STARTS_WITHOUT_PROGRESS
        if is_careful and self._pass_over_oversized(group):
            starting_offsets = group.starting_offsets()
        self._careful_at = group.reached if is_careful else None
        records = open_records(
            self._session,
            self._config.sink.bootstrap_servers,
            SENSORS,
            starting_offsets,
            self._config.max_offsets_per_trigger,
            one_by_one=is_careful,
        )
        query = (
            records.writeStream.foreachBatch(self._batch)
            .option("checkpointLocation", str(place))
            .trigger(processingTime=f"{self._config.trigger_ms} milliseconds")
            .start()
        )
        checkpoint.remember_topic(place, topic_id)
        return query

    def _take_over(self) -> GroupOffsets:
        """Become the newest job. An older one stops when it notices that."""
        config = self._config
        name = "shared" if config.checkpoint_is_shared else f"{config.host}:{config.checkpoint}"
        group = GroupOffsets(config.sink.bootstrap_servers, config.host, name, config.memory, self._end_for)
        try:
            previous = group.take_over(self._stop)
        except (KafkaError, Superseded):
            group.close()
            raise
        self._group = group
        self._figures.lost(self._losses.start(group.positions))
        if previous is not None and previous.checkpoint != name and config.checkpoint.exists():
            checkpoint.set_aside_stale(config.checkpoint)
            _log.warning(
                "The job last ran on %s with another checkpoint, so the one here is moved aside."
                " Continuing from the committed offsets.",
                previous.node,
            )
        elif previous is not None and previous.node != config.host and config.checkpoint_is_shared:
            self._stop.wait(_OLD_JOB_S)  # otherwise both would write the same checkpoint for a moment
        return group

    def _watch(self, query: StreamingQuery, group: GroupOffsets) -> None:
        """Return when the query has to be started again: it has ended, or the topic may be another one."""
        last_progress: object = None
        try:
            while not self._stop.wait(_CHECK_EVERY_S if last_progress else 0.2) and not group.forgotten.is_set():
                if self._careful_at not in (None, group.reached):
                    self._starts.forget()
                    return
                self._executors.are_missing()
                if query.exception() is not None or not query.isActive:
                    query.awaitTermination()  # raises what ended it
                    return
                progress = query.lastProgress  # Spark makes one for each batch, and one each 10 s without any
                if progress is not None and progress["timestamp"] != last_progress:
                    if last_progress is None:
                        self._kafka.succeeded()
                        service.notify(ready=True, status=self._status())
                        if self._archiving.ident is None:
                            self._archiving.start()
                    last_progress = progress["timestamp"]
                    service.notify(watchdog=True)
        finally:
            if self._stop.is_set():
                # Otherwise each task that this ends would be logged.
                self._session.sparkContext.setLogLevel("OFF")
            query.stop()

    def _failed(self, error: Exception) -> float:
        """The stream ended by itself: log that once, and return how many seconds to wait before the next try."""
        if isinstance(error, Py4JError | ConnectionError):
            self._jvm.check(wait_s=5.0)
        text = str(error).strip() or repr(error)
        check_versions(text)
        self._executors.check_alive()
        is_ours = "Traceback (most recent call last)" in text and _KAFKA_FAULT not in text
        if is_ours and not self._kafka.down:
            _log.error("%s", text)  # an error in our own code: only this shows where
        if not is_ours:
            # A job that retries works as it should, and a restart would not help: the watchdog must not end it.
            service.notify(watchdog=True)
        return self._kafka.failed(text.splitlines()[0][:300])

    def _pass_over_oversized(self, group: GroupOffsets) -> bool:
        return oversized.pass_over(
            self._session.sparkContext._jvm,
            self._config.sink.bootstrap_servers,
            group,
            self._config.max_offsets_per_trigger,
            self._config.checkpoint,
            lambda read: self._settle(partial(self._attempts.here, read)),
            partial(self._figures.event, "quarantine"),
        )

    def _batch(self, records: DataFrame, _batch_id: int) -> None:
        self._settle(partial(self._attempts.by_workers, records))

    def _settle(self, attempt: Attempt) -> None:
        result = self._settler.settle(attempt)
        self._stored += result.stored
        self._dead_lettered += result.dead_lettered
        self._figures.batch(result, self._lag())
        if self._group is not None:
            self._group.commit(result.next_offsets)
        service.notify(status=self._status())

    def _partitions(self) -> int:
        return 1 if self._group is None else len(self._group.positions)

    def _log_starts(self) -> dict[int, int]:
        return {} if self._group is None else self._group.log_starts()

    def _lag(self) -> float | None:
        """The number of messages that wait in Kafka, after the previous batch."""
        progress = None if self._query is None else self._query.lastProgress
        try:
            return float(progress["sources"][0]["metrics"]["maxOffsetsBehindLatest"]) if progress else None
        except (KeyError, IndexError, TypeError, ValueError):
            return None

    def _status(self) -> str:
        return f"{self._stored} stored, {self._dead_lettered} dead-lettered"
