"""Settings for all tests, and which of them run side by side."""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:  # the packages' own tests run without it
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

# A machine under load is slow, and a test of behaviour is not a test of speed.
settings.register_profile("sensorpi", deadline=None)
settings.load_profile("sensorpi")
settings.register_profile(
    "fuzz", deadline=None, max_examples=5_000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

#: With pytest-xdist the tests of a file run in one process, and those of the files of a group in the same one: so each
#: real part is started once. What takes longest comes first; started last it would be waited for alone.
_GROUPS = {
    "pipeline": ("test_pipeline_job.py", "test_pipeline_lost_log.py"),
    "another pipeline": ("test_spark_cluster.py", "test_pipeline_heartbeat.py", "test_pipeline_takeover.py"),
    "onebox": ("test_onebox_run.py",),
    "scheduler": ("test_scheduler_tasks.py",),
    "lint": ("test_lint.py",),
    "dashboard": ("test_dashboard_page.py", "test_dashboard_queries.py"),
    "kafka": (
        "test_kafka_broker.py", "test_kafka_quorum.py", "test_kafka_topic_commands.py", "test_kafka_topics.py",
        "test_scheduler_replicas.py", "test_sensor_publisher.py",
    ),
}  # fmt: skip


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "LoadScopeScheduling":
    """Hand out whole groups; xdist 3.8's own way of it, the mark xdist_group, does nothing under pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid.partition("::")[0])

    config.option.loadscopereorder = False  # which would begin with the groups of the most tests
    return GroupScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the groups, in their order; the units of work of xdist are handed out in this order."""
    order = {name: place for place, name in enumerate(_GROUPS)}
    items.sort(key=lambda item: (order.get(_group(item.path.name), len(order)), "unit" in item.path.parts))


def _group(path: str) -> str:
    """The group of a file, which is the file itself where it has no other."""
    file = path.rpartition("/")[2]
    return next((name for name, files in _GROUPS.items() if file in files), path)


@pytest.fixture(autouse=True)
def unchanged_logging() -> Iterator[None]:
    """A command sets up logging for its whole process: what it does there ends with the test."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    loud = [logging.getLogger(name) for name in ("kafka", "kazoo", "py4j")]
    levels = {logger: logger.level for logger in (root, *loud)}
    yield
    root.handlers[:] = handlers
    for logger, level in levels.items():
        logger.setLevel(level)
