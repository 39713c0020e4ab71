"""The systemd units of Spark's standalone master and workers, and the settings that each depends on."""

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.cluster.spark import spark_master, spark_master_url
from sensorpi.common.config.systemd_unit import SystemdUnit

#: Rendered if the cluster file asks for the daemon: its unit does not start without this file.
MASTER_FILE = "spark-master.conf"
WORKER_FILE = "spark-worker.conf"


def systemd_units(cluster: Cluster, node: Node, _key: bytes | None) -> list[SystemdUnit]:
    """The master on its node and a worker on each mesos-worker, where `[spark] master` is ``spark://…``.

    Under Mesos both are tasks.
    """
    found = spark_master(cluster)
    if found is None or cluster.engine == "mesos":
        return []
    url = f"{spark_master_url(cluster)}\n"
    settings = f"{url} {cluster.connect_address(node)} {cluster.spark.first_port}"
    units = []
    if node == found[0]:
        files = {MASTER_FILE: url}
        units.append(
            SystemdUnit("sensorpi-spark-master.service", "mesos-master", settings, needs_key=True, files=files)
        )
    if "mesos-worker" in node.roles:
        files = {WORKER_FILE: url}
        settings += f" {cluster.spark.worker_cores} {cluster.spark.executor_heap_mb}"
        units.append(
            SystemdUnit("sensorpi-spark-worker.service", "mesos-worker", settings, needs_key=True, files=files)
        )
    return units
