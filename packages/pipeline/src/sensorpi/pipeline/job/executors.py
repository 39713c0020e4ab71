"""Spark's cluster as the driver sees it: whether its master answers, and whether the job has an executor."""

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
#: Seconds between two checks of the executors.
_CHECK_EVERY_S = 1.0
#: An executor that takes longer than this many seconds to start is reported.
_USUAL_START_S = 15.0
#: After this many seconds without an executor the job ends, and its supervisor starts a new one: Spark's Mesos back end
#: never again uses an agent on which two executors were lost, and declines every offer of it.
_LONGEST_WITHOUT_S = 120.0
_VERSIONS = re.compile(r"Python in worker has different version \(?([0-9., ]+?)\)? than that in driver \(?([0-9.]+)")


def wait_for_master(master: SparkMaster, stop: threading.Event) -> None:
    """Return when Spark's standalone master accepts connections, or ``stop`` is set; at once for other masters.

    Spark itself would try for a minute and then give up.
    """
    url = spark_url(master.url)
    if url is None:
        return
    outage = Outage(f"Spark's master at {master.url.removeprefix('spark://')}", _log, longest_s=5.0)
    while not stop.is_set():
        try:
            socket.create_connection((url.host, url.port), _CONNECT_S).close()
        except OSError as error:
            service.notify(status=f"waiting for {outage.name}")
            stop.wait(outage.failed(error))
        else:
            outage.succeeded()
            return


class Executors:
    """Counts the job's executors. In local mode the driver computes, so there is always one."""

    def __init__(self, session: SparkSession, master: SparkMaster) -> None:
        self._java_context = session.sparkContext._jsc.sc()
        self._url, self._is_local = master.url, master.is_local
        self._hint = (
            "does Mesos offer enough memory, and does an executor's log on its agent have an error?"
            if master.url.startswith("mesos:")
            else "is sensorpi-spark-worker running, with a free core?"
        )
        self._outage = Outage(f"Computing on {master.url}", _log, longest_s=_CHECK_EVERY_S)
        self._next_check = 0.0
        self._missing_since: float | None = None

    def wait_for_first(self, stop: threading.Event) -> None:
        """Return when there is one, or when ``stop`` is set."""
        while self.are_missing() and not stop.wait(_CHECK_EVERY_S):
            pass

    def are_missing(self) -> bool:
        """Whether there is none, as of the last second. That is logged once.

        Raises UserError when the cluster ended the job, or when there was none for two minutes.
        """
        if self._is_local:
            return False
        now = time.monotonic()
        if now < self._next_check:
            return self._missing_since is not None
        self._next_check = now + _CHECK_EVERY_S
        self.check_alive()
        # The driver counts as one.
        if self._java_context.getExecutorMemoryStatus().size() > 1:
            self._missing_since = None
            self._outage.succeeded()
            return False
        self._missing_since = self._missing_since or now
        if now - self._missing_since >= _LONGEST_WITHOUT_S:
            raise UserError(
                f"Spark has not had an executor on {self._url} for {_LONGEST_WITHOUT_S:g} s ({self._hint}). The job "
                "ends, so that a new one can use every agent again"
            )
        if now - self._missing_since >= _USUAL_START_S:
            self._outage.failed(f"no worker runs an executor for the job ({self._hint})")
        service.notify(watchdog=True, status="waiting for Spark's workers")
        return True

    def check_alive(self) -> None:
        """Raise UserError when Spark stopped by itself, as it does when its cluster ended the job."""
        if self._java_context.isStopped():
            raise UserError("Spark ended the job; the lines before this, or the journal of Spark's master, tell why")


def check_versions(text: str) -> None:
    """Raise UserError when the text of a failed task shows that a worker has another version of Python."""
    match = _VERSIONS.search(text)
    if match is not None:
        theirs = match[1].replace(", ", ".")
        raise UserError(
            f"a Spark worker has Python {theirs} and the job {match[2]}: install the same Debian release on all nodes"
        )
