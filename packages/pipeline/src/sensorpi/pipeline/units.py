"""What the units of the job, of InfluxDB and of the dashboards depend on."""

from sensorpi.common.cluster import Cluster, Node
from sensorpi.common.node_unit import NodeUnit
from sensorpi.common.secrets import GRAFANA_ADMIN, INFLUXDB_READER, password

_DASHBOARDS = "/usr/share/sensorpi/grafana/dashboards"


def units(cluster: Cluster, node: Node, key: bytes | None) -> list[NodeUnit]:
    """Those of the node's roles ``mesos-master`` and ``influx-grafana``."""
    found: list[NodeUnit] = []
    if "mesos-master" in node.roles:
        servers = f"{cluster.engine} {cluster.bootstrap_servers} {cluster.influxdb_url}"
        settings = f"{servers} {cluster.influxdb} {cluster.spark} {node.name}"
        found.append(NodeUnit("sensorpi-spark-job.service", "mesos-master", settings, needs_key=True))
    if "influx-grafana" in node.roles:
        influxdb = f"{cluster.influxdb} {cluster.is_one_machine}"
        dashboard = {} if key is None else {"dashboard.env": dashboard_environment(cluster, key)}
        grafana = {} if key is None else {"grafana.env": grafana_environment(cluster, key)}
        chronograf = {} if key is None else {"chronograf.env": chronograf_environment(cluster, key)}
        found += [
            NodeUnit("sensorpi-influxdb-setup.service", "influx-grafana", influxdb, needs_key=True),
            NodeUnit("sensorpi-dashboard.service", "influx-grafana", "", needs_key=True, files=dashboard),
            NodeUnit("grafana-server.service", "influx-grafana", "", files=grafana),
            NodeUnit("chronograf.service", "influx-grafana", "", files=chronograf),
        ]
    return found


def dashboard_environment(cluster: Cluster, key: bytes) -> str:
    """What the built-in dashboard is started with, as a systemd ``EnvironmentFile``."""
    return environment_text(
        {
            "SENSORPI_DASHBOARD_LISTEN": f"0.0.0.0:{cluster.dashboard.port}",
            "SENSORPI_DASHBOARD_INFLUXDB": f"127.0.0.1:{cluster.influxdb.port}",
            "SENSORPI_READER_PASSWORD": password(key, INFLUXDB_READER),
        }
    )


def grafana_environment(cluster: Cluster, key: bytes) -> str:
    """What Grafana's data source and its first start need, as a systemd ``EnvironmentFile``."""
    return environment_text(
        {
            **_data_source(cluster, key),
            "SENSORPI_DASHBOARDS": _DASHBOARDS,
            "GF_SECURITY_ADMIN_PASSWORD": password(key, GRAFANA_ADMIN),
        }
    )


def chronograf_environment(cluster: Cluster, key: bytes) -> str:
    """What Chronograf puts into its connection, grafana/chronograf/sensorpi.src, as a systemd ``EnvironmentFile``."""
    return environment_text(_data_source(cluster, key))


def _data_source(cluster: Cluster, key: bytes) -> dict[str, str]:
    return {
        "SENSORPI_INFLUXDB_URL": f"http://127.0.0.1:{cluster.influxdb.port}",
        "SENSORPI_READER_PASSWORD": password(key, INFLUXDB_READER),
    }


def environment_text(variables: dict[str, str]) -> str:
    """The variables as an ``EnvironmentFile``; no value of ours needs quotes."""
    return "".join(f"{name}={value}\n" for name, value in variables.items())
