"""Settings for all tests."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A machine under load is slow, and a test of behaviour is no test of speed.
settings.register_profile("sensorpi", deadline=None)
settings.load_profile("sensorpi")


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
