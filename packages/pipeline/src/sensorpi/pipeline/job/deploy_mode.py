"""Where the job computes, in Spark's words: in its own process, on Spark's standalone cluster, or on Mesos.

The driver is always this process, in client mode. Off its own machine it is reached at the node's address, on fixed
ports.
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
from sensorpi.common.errors import UserError

#: A worker that is switched off is given up after this long, in seconds; Spark's own default is 120.
_SILENCE_S = 40


@dataclass(frozen=True)
class Computing:
    """What `spark_session.py` is told about it. ``secrets`` are settings that must be on no command line."""

    settings: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def master(self) -> str:
        """Spark's master URL."""
        return self.settings["spark.master"]

    @property
    def is_local(self) -> bool:
        """Whether it computes in its own process."""
        return self.master.startswith("local")


def computing(cluster: Cluster, node: Node, key: bytes, jars: Path) -> Computing:
    """What the cluster file says, for a job on ``node``; ``jars`` of Spark's Kafka source are there on each worker.

    Raises UserError when the library that Mesos needs is not there.
    """
    master = cluster.spark.master
    if master.startswith("local"):
        return local(_cores(master))
    settings = _remote_settings(cluster, node, jars)
    url = spark_master_url(cluster)
    if url is not None:
        settings |= {
            "spark.master": url,
            "spark.blockManager.port": str(spark_ports(cluster.spark).executor_blocks),
            "spark.authenticate": "true",
        }
        return Computing(settings, secrets={"spark.authenticate.secret": spark_secret(key)})
    return _on_mesos(cluster, node, settings)


def local(cores: int = 1) -> Computing:
    """In the driver's own process, on loopback."""
    return Computing(
        {
            # A failed task is tried again before it ends the query.
            "spark.master": f"local[{cores},4]",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
        }
    )


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
        # The next port would be closed by a firewall, or somebody else's.
        "spark.port.maxRetries": "0",
        "spark.executor.memory": f"{cluster.spark.executor_heap_mb}m",
        "spark.executor.cores": str(cluster.spark.worker_cores),
        "spark.executor.extraClassPath": f"{jars}/*",
        "spark.executor.extraJavaOptions": "-XX:+UseSerialGC -XX:ReservedCodeCacheSize=96m -Xss1m -XX:-UsePerfData",
        "spark.executorEnv.MALLOC_ARENA_MAX": "2",
        "spark.executorEnv.PYTHONDONTWRITEBYTECODE": "1",
        # An executor refuses to start with less memory than this, and 200 MB are the default. Larger blocks go to disk.
        "spark.network.maxRemoteBlockSizeFetchToMem": "16m",
        "spark.network.timeout": f"{_SILENCE_S}s",
        "spark.network.timeoutInterval": "10s",
        "spark.executor.heartbeatInterval": "5s",
    }


def bind_address(address: str) -> str:
    """The address to listen on, for others who connect to ``address``: itself, or all of them where it is a name.

    Debian's /etc/hosts gives a machine's own name a loopback address.
    """
    try:
        ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return "0.0.0.0"
    return address


def _on_mesos(cluster: Cluster, node: Node, settings: dict[str, str]) -> Computing:
    library = cluster.spark.mesos_native_library
    needed = f'[spark] master = "{cluster.spark.master}" needs a libmesos with Java bindings'
    if not library:
        raise UserError(f"{needed}: write its path into [spark] mesos_native_library")
    if not Path(library).is_file():
        raise UserError(f"{needed}, and [spark] mesos_native_library = {library} is not there")
    bound = bind_address(cluster.connect_address(node))
    settings |= {
        "spark.master": cluster.spark.master,
        "spark.mesos.executor.memoryOverhead": str(EXECUTOR_OVERHEAD_MB),
        # Else it takes all that Mesos has.
        "spark.cores.max": str(cluster.spark.worker_cores * len(cluster.workers)),
        # The agents have the same packages as this node.
        "spark.mesos.executor.home": os.environ.get("SPARK_HOME", "/usr/share/sensorpi-spark"),
        "spark.executorEnv.PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    # libprocess, too, would find a loopback address behind the machine's own name.
    return Computing(settings, {"MESOS_NATIVE_JAVA_LIBRARY": library, "LIBPROCESS_IP": bound.strip("[]")})
