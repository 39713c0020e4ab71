"""The systemd units of the job, of InfluxDB and of the dashboards, and what each depends on."""

from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.cluster.secrets import DASHBOARD, GRAFANA_ADMIN, INFLUXDB_READER, INFLUXDB_WRITER, password
from sensorpi.common.config.systemd_unit import SystemdUnit

_DASHBOARDS = "/usr/share/sensorpi/grafana/dashboards"


def systemd_units(cluster: Cluster, node: Node, key: bytes | None) -> list[SystemdUnit]:
    """The units of the roles ``mesos-master`` and ``influx-grafana``, if the node has them."""
    found: list[SystemdUnit] = []
    if "mesos-master" in node.roles:
        found.append(SystemdUnit("sensorpi-spark-job.service", "mesos-master", _job(cluster, node), needs_key=True))
    if "influx-grafana" in node.roles:
        influxdb = _text(
            cluster.influxdb.port,
            cluster.influxdb.backup_port,
            cluster.influxdb.raw_retention_days,
            cluster.is_one_machine,
        )
        dashboard = {} if key is None else {"dashboard.env": dashboard_environment(cluster, key)}
        watch = {} if key is None else {"influxdb-watch.env": watch_environment(cluster, key)}
        grafana = {} if key is None else {"grafana.env": grafana_environment(cluster, key)}
        chronograf = {} if key is None else {"chronograf.env": chronograf_environment(cluster, key)}
        found += [
            SystemdUnit("sensorpi-influxdb-setup.service", "influx-grafana", influxdb, needs_key=True),
            SystemdUnit("sensorpi-influxdb-watch.service", "influx-grafana", "", needs_key=True, files=watch),
            SystemdUnit("sensorpi-dashboard.service", "influx-grafana", "", needs_key=True, files=dashboard),
            SystemdUnit("grafana-server.service", "influx-grafana", "", files=grafana),
            SystemdUnit("chronograf.service", "influx-grafana", "", files=chronograf),
        ]
    return found


def _job(cluster: Cluster, node: Node) -> str:
    """The settings that the job uses: a change of any of them restarts it, and a change of others does not."""
    spark = cluster.spark
    remote = () if spark.master.startswith("local") else (
        spark.executor_heap_mb, spark.worker_cores, spark.first_port, spark.mesos_native_library,
        cluster.connect_address(node), len(cluster.workers),
    )  # fmt: skip
    return _text(
        cluster.engine, cluster.bootstrap_servers, cluster.influxdb_url, cluster.influxdb.raw_retention_days, node.name,
        spark.master, spark.trigger_ms, spark.heap_mb, spark.max_offsets_per_trigger, spark.checkpoint,
        spark.default_host, spark.max_sensors, [(each.name, each.address) for each in cluster.nodes], *remote,
    )  # fmt: skip


def _text(*values: object) -> str:
    return " ".join(map(repr, values))


def dashboard_environment(cluster: Cluster, key: bytes) -> str:
    """The built-in dashboard's settings, as a systemd ``EnvironmentFile``."""
    asked = {"SENSORPI_DASHBOARD_PASSWORD": password(key, DASHBOARD)} if cluster.dashboard.access == "password" else {}
    return environment_text(
        {
            "SENSORPI_DASHBOARD_LISTEN": f"0.0.0.0:{cluster.dashboard.port}",
            "SENSORPI_DASHBOARD_INFLUXDB": f"127.0.0.1:{cluster.influxdb.port}",
            "SENSORPI_READER_PASSWORD": password(key, INFLUXDB_READER),
            **asked,
        }
    )


def watch_environment(cluster: Cluster, key: bytes) -> str:
    """The settings of what watches InfluxDB, as a systemd ``EnvironmentFile``."""
    return environment_text(
        {
            "SENSORPI_WATCH_INFLUXDB": f"127.0.0.1:{cluster.influxdb.port}",
            "SENSORPI_WRITER_PASSWORD": password(key, INFLUXDB_WRITER),
        }
    )


def grafana_environment(cluster: Cluster, key: bytes) -> str:
    """The settings of Grafana's data source and its admin password, as a systemd ``EnvironmentFile``."""
    return environment_text(
        {
            **_data_source(cluster, key),
            "SENSORPI_DASHBOARDS": _DASHBOARDS,
            "GF_SECURITY_ADMIN_PASSWORD": password(key, GRAFANA_ADMIN),
        }
    )


def chronograf_environment(cluster: Cluster, key: bytes) -> str:
    """The settings of Chronograf's connection (grafana/chronograf/sensorpi.src), as a systemd ``EnvironmentFile``."""
    return environment_text(_data_source(cluster, key))


def _data_source(cluster: Cluster, key: bytes) -> dict[str, str]:
    return {
        "SENSORPI_INFLUXDB_URL": f"http://127.0.0.1:{cluster.influxdb.port}",
        "SENSORPI_READER_PASSWORD": password(key, INFLUXDB_READER),
    }


def environment_text(variables: dict[str, str]) -> str:
    """The variables as an ``EnvironmentFile``. None of the values needs quotes."""
    return "".join(f"{name}={value}\n" for name, value in variables.items())
