"""What the broker's JVM reads, by file name."""

from sensorpi.mesos_node.kafka.broker import Broker

SERVER_PROPERTIES = "server.properties"
LOG4J2 = "log4j2.xml"


def broker_files(broker: Broker) -> dict[str, str]:
    """The files' names and texts."""
    return {SERVER_PROPERTIES: broker.properties_text(), LOG4J2: broker.log4j2_text()}
