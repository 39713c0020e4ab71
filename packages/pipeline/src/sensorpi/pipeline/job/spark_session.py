"""Starts and stops a small Spark: a driver in client mode, with the jars of Spark's Kafka source."""

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark import SparkContext
from pyspark.errors import PySparkRuntimeError
from pyspark.find_spark_home import _find_spark_home
from pyspark.sql import SparkSession

from sensorpi.common.daemon.jvm import JVM_ENVIRONMENT
from sensorpi.common.errors import UserError
from sensorpi.common.files import render
from sensorpi.pipeline.job import worker_daemon
from sensorpi.pipeline.job.class_archive import ClassArchive
from sensorpi.pipeline.job.jvm import RememberedNames, SparkJvm, java_program
from sensorpi.pipeline.job.spark_master import JVM_FLAGS, SparkMaster

_LOG4J = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %p %c{1}: %m%n%ex{short}
# These warn at every start, or at every batch that is slower than the trigger, of what is intended.
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
logger.shell.name = org.apache.hadoop.util.Shell
logger.shell.level = error
logger.consumers.name = org.apache.spark.sql.kafka010
logger.consumers.level = error
logger.admin.name = org.apache.kafka.clients
logger.admin.level = error
logger.trigger.name = org.apache.spark.sql.execution.streaming.ProcessingTimeExecutor
logger.trigger.level = error
# Logs every 15 s that there are no workers; `executors.py` logs it once.
logger.scheduler.name = org.apache.spark.scheduler.TaskSchedulerImpl
logger.scheduler.level = error
# What ends a task or a query is raised as an exception as well, and `run.py` logs it.
logger.query.name = org.apache.spark.sql.execution.streaming.MicroBatchExecution
logger.query.level = off
logger.worker.name = org.apache.spark.api.python.PythonRunner
logger.worker.level = off
logger.executor.name = org.apache.spark.executor.Executor
logger.executor.level = off
logger.tasks.name = org.apache.spark.scheduler.TaskSetManager
logger.tasks.level = off
logger.resolve.name = org.apache.spark.sql.execution.streaming.ResolveWriteToStream
logger.resolve.level = error
"""


@dataclass(frozen=True)
class Driver:
    """Spark's session, and the JVM behind it."""

    session: SparkSession
    jvm: SparkJvm
    classes: ClassArchive

    def close(self) -> None:
        """Stop Spark and end its JVM, unless that has ended already."""
        with contextlib.suppress(UserError):
            self.jvm.check()
            gateway = self.session.sparkContext._gateway
            self.session.stop()
            gateway.shutdown()  # type: ignore[union-attr]
            self.jvm.close()


def open_driver(work: Path, cache: Path, jars: Path, master: SparkMaster, heap_mb: int) -> Driver:
    """Start the JVM, and Spark in it, which takes one to three seconds.

    ``work`` is the folder of Spark's scratch files and its configuration, ``cache`` that of its class archive. Raises
    UserError when the jars of the Kafka source are not in ``jars``, or when Spark does not start.
    """
    if not list(jars.glob("spark-sql-kafka-*.jar")):
        raise UserError(f"{jars}: no spark-sql-kafka jar here; `make fetch` brings it")
    log4j = work / "log4j2.properties"
    render({log4j.name: _LOG4J}, work)
    os.environ.update(
        {
            "SPARK_HOME": _find_spark_home(),  # type: ignore[no-untyped-call]
            # Spark fails at its start if the machine's own host name does not resolve.
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_HOSTNAME": "localhost",
            "SPARK_LOCAL_DIRS": str(work / "scratch"),
            "PYSPARK_PYTHON": sys.executable,
            **JVM_ENVIRONMENT,
            **master.environment,
        }
    )
    classes = class_archive(cache, jars)
    flags = [
        f"-Xmx{heap_mb}m",
        *classes.flags(),
        *JVM_FLAGS,
        # Only the first compiler: the second takes a quarter of the CPU time until the first readings are stored, and
        # almost half while one arrives each second. It makes the reading of a backlog faster by a tenth.
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",  # by default only one thread ends, and the JVM hangs
        f"-Dlog4j2.configurationFile={log4j.as_uri()}",
        f"-Djava.io.tmpdir={work}",
    ]
    # The smallest heap: the driver's, or the executors' if there are any.
    smallest_mb = min(heap_mb, int(master.settings.get("spark.executor.memory", f"{heap_mb}m").removesuffix("m")))
    settings = {
        **master.settings,
        **master.secrets,
        "spark.app.name": "sensorpi-job",
        # By default Spark reserves 300 MB, and refuses a heap of less than one and a half times that.
        "spark.testing.reservedMemory": str(min(300, smallest_mb // 3) * 1024 * 1024),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": str(work / "warehouse"),
        "spark.speculation": "false",
        # Otherwise a `pyspark` in a worker's working directory would be imported before ours.
        "spark.executorEnv.PYTHONSAFEPATH": "1",
        "spark.python.daemon.module": worker_daemon.__name__,
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.adaptive.enabled": "false",
        # Its code is generated again for each batch, and the projection of one column gains nothing by it.
        "spark.sql.codegen.wholeStage": "false",
        # For a user interface that is not enabled, a batch's plan is written as text; this is the shortest one.
        "spark.sql.ui.explainMode": "simple",
        # The second pass finds nothing to improve in so small a plan.
        "spark.sql.optimizer.maxIterations": "1",
        # Hadoop's own local file system starts `chmod` for each file of the checkpoint.
        "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",
        "spark.sql.streaming.checkpointFileManagerClass": (
            "org.apache.spark.sql.execution.streaming.FileSystemBasedCheckpointFileManager"
        ),
        # Each batch leaves two files, and only the last few are needed.
        "spark.sql.streaming.minBatchesToRetain": "10",
        "spark.sql.streaming.metricsEnabled": "false",
    }
    jvm = SparkJvm(java_program(), work, class_path(jars), flags)
    builder = SparkSession.builder
    for name, value in settings.items():
        builder = builder.config(name, value)
    os.environ.update(jvm.environment)
    try:
        session = builder.getOrCreate()
    except (Py4JError, PySparkRuntimeError) as error:
        reason = first_line(error)  # of which the JVM has the text
        jvm.close()
        raise UserError(f"Spark does not start with {master.url}: {reason}") from None
    finally:
        for name in jvm.environment:  # the workers need not know them
            del os.environ[name]
    SparkContext._jvm = RememberedNames(SparkContext._jvm)
    return Driver(session, jvm, classes)


def class_path(jars: Path) -> list[str]:
    """The class path of Spark's JVM, with the jars of the Kafka source in ``jars``."""
    return [f"{jars}/*", f"{_find_spark_home()}/jars/*"]  # type: ignore[no-untyped-call]


def class_archive(cache: Path, jars: Path) -> ClassArchive:
    """The archive of the classes of Spark's JVM. Raises UserError when Java is not installed."""
    return ClassArchive(cache, java_program(), class_path(jars))


def first_line(error: Exception) -> str:
    """The message of an error, without Java's stack trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    thrown = [line for line in lines if line.startswith((": ", "Caused by: "))]
    return (thrown or lines or [repr(error)])[0].removeprefix(": ")[:300]
