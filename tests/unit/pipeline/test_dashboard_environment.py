"""What the dashboards are started with."""

from dataclasses import replace

from sensorpi.common.cluster.schema import DashboardSettings
from sensorpi.common.cluster.secrets import DASHBOARD, INFLUXDB_ADMIN, INFLUXDB_READER, INFLUXDB_WRITER, password
from sensorpi.pipeline.systemd_units import chronograf_environment, dashboard_environment, grafana_environment
from tests.fakes.clusters import shipped

KEY = bytes(32)


def test_the_dashboards_get_the_reading_users_password_only() -> None:
    for environment in (grafana_environment, chronograf_environment, dashboard_environment):
        text = environment(shipped(), KEY)
        assert f"SENSORPI_READER_PASSWORD={password(KEY, INFLUXDB_READER)}\n" in text
        for name in (INFLUXDB_ADMIN, INFLUXDB_WRITER):
            assert password(KEY, name) not in text


def test_the_page_has_a_password_only_if_it_is_asked_for() -> None:
    assert "SENSORPI_DASHBOARD_PASSWORD" not in dashboard_environment(shipped(), KEY)
    cluster = replace(shipped(), dashboard=DashboardSettings(access="password"))
    assert f"SENSORPI_DASHBOARD_PASSWORD={password(KEY, DASHBOARD)}\n" in dashboard_environment(cluster, KEY)


def test_the_built_in_dashboard_serves_on_the_lan() -> None:
    assert "SENSORPI_DASHBOARD_LISTEN=0.0.0.0:8080\n" in dashboard_environment(shipped(), KEY)
