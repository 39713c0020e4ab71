"""Spark's settings for each kind of `[spark] master`: local mode, Spark's standalone cluster, or Mesos.

Spark's deploy mode is always client: the driver is this process. Other machines reach it at the node's address, on
fixed ports.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.cluster.schema import EXECUTOR_OVERHEAD_MB
from sensorpi.common.cluster.spark import spark_master_url, spark_ports, spark_secret
from sensorpi.common.daemon.jvm import JVM_ENVIRONMENT, small_jvm_flags
from sensorpi.common.errors import UserError

#: The flags of the driver's and the executors' JVMs, except for the heap, which Spark itself sets.
JVM_FLAGS = small_jvm_flags(code_cache_mb=96, stack_kb=1024)

#: An executor that is silent for this many seconds is given up; Spark's own default is 120.
_EXECUTOR_TIMEOUT_S = 40


@dataclass(frozen=True)
class SparkMaster:
    """Spark's settings for one master. ``secrets`` are settings that must not appear on a command line."""

    settings: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def configured(cls, cluster: Cluster, node: Node, key: bytes, jars: Path) -> "SparkMaster":
        """The cluster file's, for a job on ``node``. Every worker has Spark's Kafka source in the folder ``jars``.

        Raises UserError when the library that Mesos needs is missing.
        """
        master = cluster.spark.master
        if master.startswith("local"):
            return cls.local(_cores(master))
        settings = _remote_settings(cluster, node, jars)
        url = spark_master_url(cluster)
        if url is None:
            return _mesos(cluster, node, settings)
        settings |= {
            "spark.master": url,
            "spark.blockManager.port": str(spark_ports(cluster.spark).executor_blocks),
            "spark.authenticate": "true",
        }
        return cls(settings, secrets={"spark.authenticate.secret": spark_secret(key)})

    @classmethod
    def local(cls, cores: int = 1) -> "SparkMaster":
        """Local mode: everything runs in the driver's own process, on loopback."""
        return cls(
            {
                "spark.master": f"local[{cores},4]",  # a task is attempted four times before the query ends
                "spark.driver.host": "127.0.0.1",
                "spark.driver.bindAddress": "127.0.0.1",
            }
        )

    @property
    def url(self) -> str:
        """Spark's master URL."""
        return self.settings["spark.master"]

    @property
    def is_local(self) -> bool:
        """Whether this is local mode."""
        return self.url.startswith("local")


def _cores(master: str) -> int:
    match = re.fullmatch(r"local\[(.+)\]", master)
    if match is None:
        return 1
    return os.cpu_count() or 1 if match[1] == "*" else int(match[1])


def _remote_settings(cluster: Cluster, node: Node, jars: Path) -> dict[str, str]:
    ports = spark_ports(cluster.spark)
    address = cluster.connect_address(node)
    return {
        "spark.driver.host": address,
        "spark.driver.bindAddress": bind_address(address),
        "spark.driver.port": str(ports.driver),
        "spark.driver.blockManager.port": str(ports.driver_blocks),
        # By default Spark tries the next ports, which a firewall may block and other programs may use.
        "spark.port.maxRetries": "0",
        "spark.executor.memory": f"{cluster.spark.executor_heap_mb}m",
        "spark.executor.cores": str(cluster.spark.worker_cores),
        "spark.executor.extraClassPath": f"{jars}/*",
        "spark.executor.extraJavaOptions": " ".join(JVM_FLAGS),
        **{f"spark.executorEnv.{name}": value for name, value in JVM_ENVIRONMENT.items()},
        "spark.executorEnv.PYTHONDONTWRITEBYTECODE": "1",
        # An executor does not start with less memory than this, and the default is 200 MB. Larger blocks go to disk.
        "spark.network.maxRemoteBlockSizeFetchToMem": "16m",
        "spark.network.timeout": f"{_EXECUTOR_TIMEOUT_S}s",
        "spark.network.timeoutInterval": "10s",
        "spark.executor.heartbeatInterval": "5s",
    }


def bind_address(address: str) -> str:
    """The address to listen on when others connect to ``address``: the same, or all addresses if it is a name.

    Debian's /etc/hosts maps a machine's own name to a loopback address.
    """
    try:
        ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return "0.0.0.0"
    return address


def _mesos(cluster: Cluster, node: Node, settings: dict[str, str]) -> SparkMaster:
    library = cluster.spark.mesos_native_library
    needed = f'[spark] master = "{cluster.spark.master}" needs a libmesos with Java bindings'
    if not library:
        raise UserError(f"{needed}: write its path into [spark] mesos_native_library")
    if not Path(library).is_file():
        raise UserError(f"{needed}, and [spark] mesos_native_library = {library} does not exist")
    # A build of Mesos by CMake has the bindings in a library of their own.
    beside = Path(library).with_name("libmesos-java.so")
    if beside.is_file():
        library = str(beside)
    bound = bind_address(cluster.connect_address(node))
    settings |= {
        "spark.master": cluster.spark.master,
        # Executors keep running while their agent is restarted.
        "spark.mesos.checkpoint": "true",
        "spark.mesos.executor.memoryOverhead": str(EXECUTOR_OVERHEAD_MB),
        # Without a limit Spark takes everything that Mesos offers.
        "spark.cores.max": str(cluster.spark.worker_cores * len(cluster.workers)),
        # The agents have the same packages as this node.
        "spark.mesos.executor.home": os.environ.get("SPARK_HOME", "/usr/share/sensorpi-spark"),
        "spark.executorEnv.PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    # libprocess would also use the loopback address behind the machine's own name.
    return SparkMaster(settings, {"MESOS_NATIVE_JAVA_LIBRARY": library, "LIBPROCESS_IP": bound.strip("[]")})
