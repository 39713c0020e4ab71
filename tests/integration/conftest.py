"""Fixtures that stand for the real parts of the pipeline."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from onebox.home import ROOT
from onebox.stages import SPARK_JARS
from sensorpi.pipeline.job.spark_session import class_archive
from tests.integration.dashboard_fixture import dashboard_site
from tests.integration.influx_fixture import fresh_influxd, influxdb
from tests.integration.kafka_fixture import fresh_broker, kafka_broker, three_brokers
from tests.integration.pipeline_fixture import pipeline, pipeline_without_job, running_pipeline

__all__ = [
    "dashboard_site", "fresh_broker", "fresh_influxd", "influxdb", "kafka_broker", "pipeline",
    "pipeline_without_job", "running_pipeline", "three_brokers",
]  # fmt: skip

_JAVA_HOME = Path(__file__).parents[1] / "java_home"
_ARCHIVE = ROOT / ".cache/java-archives/spark.jsa"


@pytest.fixture(scope="session", autouse=True)
def quick_java(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every JVM that a test starts, however far below, is one that starts quickly."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_HOME", str(_JAVA_HOME))
        patch.setenv("PATH", f"{_JAVA_HOME}/bin:{os.environ['PATH']}")
        # The job would make an archive of its own while the tests run.
        patch.setenv("CACHE_DIRECTORY", str(cache))
        archive = class_archive(cache, SPARK_JARS)
        archive.file.symlink_to(_ARCHIVE)
        if _ARCHIVE.exists():
            archive.finish()
        yield
