"""Reports when the dead-letter topic has reached its size limit and Kafka deletes the oldest dead letters.

The topic's first offset is the number of dead letters that were ever deleted. It is compared with the one in a file, so
that a deletion while the job was stopped is reported as well.
"""

import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from sensorpi.common.daemon import untrusted
from sensorpi.common.errors import UserError
from sensorpi.common.files import render
from sensorpi.common.kafka.client import open_client
from sensorpi.common.reading import DEAD_LETTER_TOPIC

_log = logging.getLogger(__name__)

_FILE = "dead-letters-deleted"
#: Kafka itself looks for what it may delete every five minutes.
_EVERY_S = 300.0


class DeletedLetters:
    """Compares the number of deleted dead letters with the number that was reported."""

    def __init__(self, first_offset: Callable[[], int], folder: Path, report: Callable[[str], None]) -> None:
        """``first_offset`` raises KafkaError; ``folder`` keeps the number; ``report`` takes a line."""
        self._first_offset = first_offset
        self._folder = folder
        self._report = report

    def run(self, stop: threading.Event) -> None:
        """Check regularly until ``stop`` is set."""
        while not stop.is_set():
            try:
                self.check()
            except (KafkaError, UserError) as error:  # the stream reports an outage
                _log.debug("The dead-letter topic was not checked: %r", error)
            stop.wait(_EVERY_S)

    def check(self) -> None:
        """Report what was deleted since the last check, once. Raises KafkaError, and UserError for the file."""
        deleted, known = self._first_offset(), self._reported()
        if deleted > known:
            line = (
                f"{deleted - known} dead letters were deleted, the oldest ones, because topic {DEAD_LETTER_TOPIC} has"
                " reached its limit. Raise [kafka] dead_letter_retention_mb to keep more."
            )
            _log.error("%s", line)
            self._report(line)
        if deleted != known:  # fewer: the topic was created again
            render({_FILE: f"{deleted}\n"}, self._folder)

    def _reported(self) -> int:
        return untrusted.load(self._folder / _FILE, _number) or 0


def _number(text: str) -> int:
    if re.fullmatch(r"[0-9]{1,18}\n?", text) is None:
        raise ValueError("it is not a number of dead letters")
    return int(text)


def first_offset(bootstrap_servers: str) -> int:
    """The first offset of the dead-letter topic. Raises KafkaError when the brokers do not answer."""
    partition = TopicPartition(DEAD_LETTER_TOPIC, 0)
    consumer = open_client(KafkaConsumer, bootstrap_servers, timeout_s=10.0, enable_auto_commit=False)
    try:
        offset: int = consumer.beginning_offsets([partition], timeout_ms=5000)[partition]
        return offset
    finally:
        consumer.close(autocommit=False, timeout_ms=1000)
