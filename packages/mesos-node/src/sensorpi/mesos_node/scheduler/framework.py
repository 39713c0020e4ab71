"""The scheduler as a framework of Mesos: what it is started with, and how it registers."""

from dataclasses import dataclass

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.mesos_node.mesos.calls import Json
from sensorpi.mesos_node.scheduler.core.task_info import Programs

#: The tasks go on for this long without any scheduler; then Mesos ends them.
FAILOVER_TIMEOUT_S = 28 * 86400.0


@dataclass(frozen=True)
class Options:
    """What the scheduler is started with."""

    cluster: Cluster
    node: Node
    key: bytes
    programs: Programs


def framework_info(options: Options) -> Json:
    """The FrameworkInfo with which the scheduler subscribes."""
    return {
        "user": options.programs.broker_user or "root",
        "name": "sensorpi",
        "hostname": options.node.name,
        "failover_timeout": FAILOVER_TIMEOUT_S,
        "checkpoint": True,
        "roles": ["*"],
        "capabilities": [{"type": each} for each in ("MULTI_ROLE", "PARTITION_AWARE", "TASK_KILLING_STATE")],
    }
