"""Spark's standalone master and worker: the command lines of their JVMs, and the files that these read.

A worker starts one process (executor) for the job, which computes there with its own Python processes. The executor
inherits the worker's environment and configuration.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.cluster.spark import spark_master, spark_master_url, spark_ports, spark_secret
from sensorpi.common.daemon.jvm import JVM_ENVIRONMENT, daemon_jvm_flags
from sensorpi.common.errors import UserError

#: The heap of each daemon's JVM, in MB: it only manages.
_DAEMON_HEAP_MB = 48
#: The master removes a worker that has been silent for this long, in seconds.
_WORKER_TIMEOUT_S = 40

_LOG4J2 = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %p %c{1}: %m%n%ex{short}
# Every clean shutdown logs this as an error.
appender.stderr.filter.stop.type = RegexFilter
appender.stderr.filter.stop.regex = RECEIVED SIGNAL TERM
appender.stderr.filter.stop.onMatch = DENY
appender.stderr.filter.stop.onMismatch = NEUTRAL
# At every start it warns of something intended.
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
# The status of our probe shows an unavailable master.
logger.worker.name = org.apache.spark.deploy.worker.Worker
logger.worker.level = error
# In an executor: the consumer's settings are the job's.
logger.consumers.name = org.apache.spark.sql.kafka010
logger.consumers.level = error
logger.clients.name = org.apache.kafka.clients
logger.clients.level = error
"""


@dataclass(frozen=True)
class SparkDaemon:
    """One of the two on one node. ``state`` is the folder of this daemon, ``home`` the folder of Spark."""

    cluster: Cluster
    node: Node
    key: bytes
    state: Path
    home: Path

    def __post_init__(self) -> None:
        """Raise ``UserError`` when the job does not use Spark's standalone cluster."""
        if self.master_url is None:
            raise UserError(
                f'[spark] master = "{self.cluster.spark.master}": no standalone master or worker of Spark here'
            )

    @property
    def master_url(self) -> str | None:
        """Where the master listens."""
        return spark_master_url(self.cluster)

    @property
    def conf(self) -> Path:
        """The folder of the files that the JVMs read."""
        return self.state / "conf"

    def files(self) -> dict[str, str]:
        """The files below ``conf``, one of them with a secret."""
        properties = {
            "spark.authenticate": "true",
            "spark.authenticate.secret": spark_secret(self.key),
            # So that a restarted master knows the workers, and the job that runs on them.
            "spark.deploy.recoveryMode": "FILESYSTEM",
            "spark.deploy.recoveryDirectory": os.fspath(self.state / "recovery"),
            "spark.worker.timeout": str(_WORKER_TIMEOUT_S),
            "spark.port.maxRetries": "0",
            "spark.ui.killEnabled": "false",  # its page asks for no password
            # The output of executors and the files in their folders are kept for a day and within limits.
            "spark.worker.cleanup.enabled": "true",
            "spark.worker.cleanup.appDataTtl": "86400",
            "spark.executor.logs.rolling.strategy": "size",
            "spark.executor.logs.rolling.maxSize": "1048576",
            "spark.executor.logs.rolling.maxRetainedFiles": "2",
        }
        return {
            "spark-defaults.conf": "".join(f"{name} {value}\n" for name, value in properties.items()),
            "log4j2.properties": _LOG4J2,
        }

    def environment(self) -> Mapping[str, str]:
        """The variables that the JVM needs besides this process's environment; a worker's executor inherits them."""
        return {
            "SPARK_HOME": os.fspath(self.home),
            "SPARK_CONF_DIR": os.fspath(self.conf),
            # Otherwise a worker derives it from the folders of a build of Spark.
            "SPARK_SCALA_VERSION": "2.12",
            "SPARK_LOCAL_DIRS": os.fspath(self.state / "scratch"),
            # Only the pages, which cannot be switched off, use this address; everything else is given its own.
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_HOSTNAME": "localhost",
            **JVM_ENVIRONMENT,
        }

    def prepare(self) -> None:
        """Create the folders, and empty those whose contents are of no use after a restart."""
        for name in ("work", "scratch"):
            shutil.rmtree(self.state / name, ignore_errors=True)
        for name in ("work", "scratch", "recovery"):
            (self.state / name).mkdir(parents=True, exist_ok=True)

    def master_command(self) -> list[str]:
        """The command line of the master's JVM."""
        found = spark_master(self.cluster)
        assert found is not None  # noqa: S101  (__post_init__)
        ports = spark_ports(self.cluster.spark)
        return self._java(
            "org.apache.spark.deploy.master.Master",
            *("--host", self.cluster.connect_address(self.node), "--port", str(found[1])),
            *("--webui-port", str(ports.master_page)),
        )

    def worker_command(self) -> list[str]:
        """The command line of the worker's JVM."""
        spark = self.cluster.spark
        ports = spark_ports(spark)
        return self._java(
            "org.apache.spark.deploy.worker.Worker",
            *("--host", self.cluster.connect_address(self.node), "--port", str(ports.worker)),
            *("--webui-port", str(ports.worker_page), "--work-dir", os.fspath(self.state / "work")),
            *("--cores", str(spark.worker_cores), "--memory", f"{spark.executor_heap_mb}M"),
            str(self.master_url),
        )

    def _java(self, main_class: str, *arguments: str) -> list[str]:
        jars = self.home / "jars"
        if not any(jars.glob("spark-core_*.jar")):
            raise UserError(f"{jars}: Spark is not installed; apt install sensorpi-spark")
        return [
            "java",
            *daemon_jvm_flags(_DAEMON_HEAP_MB, metaspace_mb=96, code_cache_mb=32),
            "-XX:TieredStopAtLevel=1",
            *("--add-opens=java.base/java.nio=ALL-UNNAMED", "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED"),
            *("--add-opens=java.base/java.net=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED"),
            *("-cp", f"{self.conf}:{jars}/*"),
            main_class,
            *arguments,
        ]
