"""Fixtures that stand for the real parts of the pipeline."""

from tests.integration.influx_fixture import fresh_influxd, influxdb

__all__ = ["fresh_influxd", "influxdb"]
