"""The end of a job that is told to stop."""

from pathlib import Path

import pytest

from onebox.process import Service
from tests.integration.pipeline_fixture import Pipeline
from tests.integration.test_pipeline_heartbeat import jvm_of
from tests.integration.test_pipeline_takeover import more_environment, second, start

pytestmark = pytest.mark.timeout(900)

__all__ = ["more_environment", "second"]


def test_its_jvm_ends_before_it(pipeline: Pipeline, second: Service) -> None:
    start(second)
    jvm = jvm_of(second)
    assert jvm is not None
    second.stop(grace_s=60)
    assert not Path(f"/proc/{jvm}").exists()
