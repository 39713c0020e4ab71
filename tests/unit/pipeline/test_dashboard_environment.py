"""What the dashboards are started with."""

from sensorpi.common.cluster.secrets import INFLUXDB_ADMIN, INFLUXDB_READER, INFLUXDB_WRITER, password
from sensorpi.pipeline.systemd_units import chronograf_environment, dashboard_environment, grafana_environment
from tests.fakes.clusters import shipped

KEY = bytes(32)


def test_the_dashboards_get_the_reading_users_password_only() -> None:
    for environment in (grafana_environment, chronograf_environment, dashboard_environment):
        text = environment(shipped(), KEY)
        assert f"SENSORPI_READER_PASSWORD={password(KEY, INFLUXDB_READER)}\n" in text
        for name in (INFLUXDB_ADMIN, INFLUXDB_WRITER):
            assert password(KEY, name) not in text


def test_the_built_in_dashboard_serves_on_the_lan() -> None:
    assert "SENSORPI_DASHBOARD_LISTEN=0.0.0.0:8080\n" in dashboard_environment(shipped(), KEY)
