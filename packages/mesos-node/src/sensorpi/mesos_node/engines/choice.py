"""Picks the engine of a cluster."""

from sensorpi.common.cli.node_context import NodeContext
from sensorpi.mesos_node.engines.engine import Engine
from sensorpi.mesos_node.engines.mesos import MesosEngine
from sensorpi.mesos_node.engines.standalone import StandaloneEngine
from sensorpi.mesos_node.scheduler.api_client import api_client


def engine_of(context: NodeContext) -> Engine:
    """The engine that the cluster file names. Raises ``UserError`` when that, or a key that it needs, is missing."""
    if context.cluster.engine == "mesos":
        return MesosEngine(api_client(context.cluster, context.key))
    return StandaloneEngine(context)
