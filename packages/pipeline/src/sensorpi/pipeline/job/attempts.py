"""One attempt at a batch: by Spark's workers, or in the driver's own process."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from pyspark import SparkContext
from pyspark.sql import DataFrame

from sensorpi.pipeline.influx.client import INFLUXDB_ERRORS, fault
from sensorpi.pipeline.job import sink
from sensorpi.pipeline.job.admission import Admission
from sensorpi.pipeline.job.lines import InfluxUnavailable
from sensorpi.pipeline.job.records import Message, map_partitions, pack
from sensorpi.pipeline.job.rollup import Rollup
from sensorpi.pipeline.job.sink import Done, Outcome, SinkConfig


class Attempts:
    """Has messages settled, admits their new names, and marks their minutes. Raises InfluxUnavailable.

    After their own first argument, the methods are an ``Attempt`` of `batch.py`.
    """

    def __init__(
        self, context: SparkContext, admission: Admission, rollup: Rollup, partitions: Callable[[], int]
    ) -> None:
        """``partitions`` tells into how many shares a batch is divided."""
        self._context, self._admission, self._rollup, self._partitions = context, admission, rollup, partitions

    def by_workers(self, records: DataFrame, config: SinkConfig, done: Done) -> list[Outcome]:
        """Have the workers settle a batch of records once."""
        return self._marked(map_partitions(records, self._store(config, done)))

    def here(self, read: Callable[[], Iterator[Message]], config: SinkConfig, done: Done) -> list[Outcome]:
        """Settle messages of one partition once in this process, which reads them in little memory."""
        return self._marked(list(self._store(config, done)(map(pack, read()))))

    def _store(self, config: SinkConfig, done: Done) -> Callable[[Iterable[bytes]], Iterator[Outcome]]:
        try:
            known = self._admission.broadcast(self._context, self._partitions())
        except INFLUXDB_ERRORS as error:
            raise InfluxUnavailable(fault(error)) from error
        return partial(sink.store, config=config, done=done, known=known)

    def _marked(self, outcomes: list[Outcome]) -> list[Outcome]:
        self._admission.admit(outcomes)
        try:
            self._rollup.mark(set[int]().union(*(outcome.minutes for outcome in outcomes)))
        except INFLUXDB_ERRORS as error:
            for outcome in outcomes:
                outcome.unavailable = outcome.unavailable or ("InfluxDB", fault(error))
        return outcomes
