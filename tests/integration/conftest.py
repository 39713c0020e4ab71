"""Fixtures that stand for the real parts of the pipeline."""

from tests.integration.influx_fixture import fresh_influxd, influxdb
from tests.integration.kafka_fixture import fresh_broker, kafka_broker
from tests.integration.pipeline_fixture import pipeline

__all__ = ["fresh_broker", "fresh_influxd", "influxdb", "kafka_broker", "pipeline"]
