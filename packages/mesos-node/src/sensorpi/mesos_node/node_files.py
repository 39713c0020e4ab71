"""Which files a node's programs read, and their texts: its roles decide."""

from pathlib import Path

from sensorpi.common.cluster import Cluster, Node
from sensorpi.common.secrets import GRAFANA_ADMIN, INFLUXDB_READER, password
from sensorpi.mesos_node.broker import Broker

SERVER_PROPERTIES = "server.properties"
LOG4J2 = "log4j2.xml"


def broker_files(broker: Broker) -> dict[str, str]:
    """What the broker's JVM reads, by file name."""
    return {SERVER_PROPERTIES: broker.properties_text(), LOG4J2: broker.log4j2_text()}


def node_files(cluster: Cluster, node: Node, kafka_data: Path, key: bytes | None) -> dict[str, str]:
    """All of a node's files by relative name; ``key`` is the cluster's, needed by influx-grafana only."""
    files: dict[str, str] = {}
    if "mesos-worker" in node.roles:
        files |= {f"kafka/{name}": text for name, text in broker_files(Broker(cluster, node, kafka_data)).items()}
    if "influx-grafana" in node.roles and key is not None:
        files |= {"influxdb.env": influxdb_environment(cluster), "grafana.env": grafana_environment(cluster, key)}
    return files


def influxdb_environment(cluster: Cluster) -> str:
    """The settings of influxd as a systemd ``EnvironmentFile``; they override its own configuration file."""
    address = "127.0.0.1" if cluster.is_one_machine else ""
    return _environment(
        {
            "INFLUXDB_HTTP_BIND_ADDRESS": f"{address}:{cluster.influxdb.port}",
            "INFLUXDB_HTTP_AUTH_ENABLED": "true",
            "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{cluster.influxdb.backup_port}",  # backups ask for no password
            "INFLUXDB_REPORTING_DISABLED": "true",
        }
    )


def grafana_environment(cluster: Cluster, key: bytes) -> str:
    """What Grafana's data source and its first start need, as a systemd ``EnvironmentFile``."""
    return _environment(
        {
            "SENSORPI_INFLUXDB_URL": f"http://127.0.0.1:{cluster.influxdb.port}",
            "SENSORPI_INFLUXDB_PASSWORD": password(key, INFLUXDB_READER),
            "GF_SECURITY_ADMIN_PASSWORD": password(key, GRAFANA_ADMIN),
        }
    )


def _environment(variables: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in variables.items())
