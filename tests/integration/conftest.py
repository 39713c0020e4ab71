"""Fixtures that stand for the real parts of the pipeline."""

from tests.integration.dashboard_fixture import dashboard_site
from tests.integration.influx_fixture import fresh_influxd, influxdb
from tests.integration.kafka_fixture import fresh_broker, kafka_broker
from tests.integration.pipeline_fixture import pipeline

__all__ = ["dashboard_site", "fresh_broker", "fresh_influxd", "influxdb", "kafka_broker", "pipeline"]
