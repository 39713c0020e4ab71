"""Settings for all tests, and which of them run side by side."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A machine under load is slow, and a test of behaviour is not a test of speed.
settings.register_profile("sensorpi", deadline=None)
settings.load_profile("sensorpi")

#: Tests that share one of these run in one process, one after the other: the part is started once.
_SHARED_PARTS = ("running_pipeline", "dashboard_site", "three_brokers", "kafka_broker", "influxdb")
#: The groups that take longest, longest first: started last they would be waited for alone.
_LONGEST_FIRST = (
    "running_pipeline", "another-pipeline", "test_onebox_run.py", "test_scheduler_tasks.py", "test_lint.py",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Form the groups of pytest-xdist's ``--dist loadgroup``: each is run by one process, in this order."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_shared_part(item) or str(item.path)))
    items.sort(key=_place)  # which keeps the order within a group


def _shared_part(item: pytest.Item) -> str | None:
    needed = getattr(item, "fixturenames", ())
    return next((part for part in _SHARED_PARTS if part in needed), None)


def _place(item: pytest.Item) -> tuple[int, bool]:
    mark = item.get_closest_marker("xdist_group")
    name = "" if mark is None else str(mark.args[0]).rpartition("/")[2]
    index = _LONGEST_FIRST.index(name) if name in _LONGEST_FIRST else len(_LONGEST_FIRST)
    return index, "unit" in item.path.parts


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
