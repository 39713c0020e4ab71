"""Spark's cluster as the driver sees it: whether its master answers, and whether a worker computes for the job."""

import logging
import re
import socket
import threading
import time

from pyspark.sql import SparkSession

from sensorpi.common.cluster.spark_url import spark_url
from sensorpi.common.daemon import service
from sensorpi.common.daemon.outage import Outage
from sensorpi.common.errors import UserError
from sensorpi.pipeline.job.spark_master import SparkMaster

_log = logging.getLogger(__name__)

_CONNECT_S = 5.0
#: How often Spark is asked for its executors, in seconds.
_LOOK_EVERY_S = 1.0
#: So long, in seconds, a worker's process may take to start; after that it is worth a line.
_USUAL_START_S = 15.0
_VERSIONS = re.compile(r"Python in worker has different version \(?([0-9., ]+?)\)? than that in driver \(?([0-9.]+)")


def wait_for_master(master: SparkMaster, stop: threading.Event) -> None:
    """Return when Spark's standalone master takes connections, or when ``stop`` is set; at once for other masters.

    Spark itself would try for a minute and then end.
    """
    url = spark_url(master.url)
    if url is None:
        return
    outage = Outage(f"Spark's master at {master.url.removeprefix('spark://')}", _log, longest_s=5.0)
    while not stop.is_set():
        try:
            socket.create_connection((url.host, url.port), _CONNECT_S).close()
        except OSError as error:
            service.notify(watchdog=True, status=f"waiting for {outage.name}")
            stop.wait(outage.failed(error))
        else:
            outage.succeeded()
            return


class Executors:
    """Counts the workers' processes that compute for the job; in local mode that is the driver, always there."""

    def __init__(self, session: SparkSession, master: SparkMaster) -> None:
        self._java_context = session.sparkContext._jsc.sc()
        self._is_local = master.is_local
        self._hint = (
            "does Mesos offer enough memory?"
            if master.url.startswith("mesos:")
            else "is sensorpi-spark-worker up, with a free core?"
        )
        self._outage = Outage(f"Computing on {master.url}", _log, longest_s=_LOOK_EVERY_S)
        self._next_look = 0.0
        self._away_since: float | None = None

    def wait_for_first(self, stop: threading.Event) -> None:
        """Return when there is one, or when ``stop`` is set."""
        while self.are_away() and not stop.wait(_LOOK_EVERY_S):
            pass

    def are_away(self) -> bool:
        """Whether there is none, as of the last second; said once, and the watchdog is fed: the job itself is well.

        Raises UserError when the cluster ended the job.
        """
        if self._is_local:
            return False
        now = time.monotonic()
        if now < self._next_look:
            return self._away_since is not None
        self._next_look = now + _LOOK_EVERY_S
        self.check_alive()
        # The driver counts as one.
        if self._java_context.getExecutorMemoryStatus().size() > 1:
            self._away_since = None
            self._outage.succeeded()
            return False
        self._away_since = self._away_since or now
        if now - self._away_since >= _USUAL_START_S:
            self._outage.failed(f"no worker has a process for the job ({self._hint})")
        service.notify(watchdog=True, status="waiting for Spark's workers")
        return True

    def check_alive(self) -> None:
        """Raise UserError when Spark stopped by itself, as it does when its cluster ended the job."""
        if self._java_context.isStopped():
            raise UserError("Spark ended the job; why is in the lines before, or in the journal of Spark's master")


def check_versions(text: str) -> None:
    """Raise UserError when the text of a failed task says that a worker's Python is another than the driver's."""
    match = _VERSIONS.search(text)
    if match is not None:
        theirs = match[1].replace(", ", ".")
        raise UserError(
            f"a Spark worker runs Python {theirs} and the job {match[2]}: install the same release of Debian on all"
        )
